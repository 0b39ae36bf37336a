/**
 * index.dat: where a view's subjects lie, in four tables (serving/sorted-file.ts):
 *
 *   pages      page                -> SubjectRecord      where the page's block lies in pages.dat
 *   domains    domain              -> SubjectRecord      the same in domains.dat
 *   visits     domain              -> (hour delta, visits, bounces)*       varints
 *   listing    domain 00 u32 chunk -> (pageviews, shared, length, rest)*   pages of the domain in key order; `shared`
 *                                                            characters are those of the URL before
 *
 * Texts are raw UTF-8. SubjectRecord: varints pageviews, block offset, block length, table length.
 */
export const indexNames = ['pages', 'domains', 'visits', 'listing'] as const;
export type IndexName = (typeof indexNames)[number];

export function listingKey(domain: string, chunk: number): Buffer {
  const name = Buffer.from(domain);
  const key = Buffer.alloc(name.length + 5);
  name.copy(key);
  key.writeUInt32BE(chunk, name.length + 1);
  return key;
}
