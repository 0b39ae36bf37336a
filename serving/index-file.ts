/**
 * index.mdb: where a view's subjects lie, in four databases (serving/sorted-file.ts):
 *
 *   pages      page key            -> SubjectRecord      where the page's block lies in pages.dat
 *   domains    domain              -> SubjectRecord      the same in domains.dat
 *   visits     domain              -> (hour delta, visits, bounces)*       varints
 *   listing    domain 00 u32 chunk -> (pageviews, shared, length, rest)*   pages of the domain in key order; `shared`
 *                                                            characters are those of the URL before
 *
 * Keys are raw UTF-8. A text of up to 1,900 bytes is its own key; LMDB takes keys of at most 1,978, so a longer one (a
 * URL) is cut there and followed by 00 and the hex SHA-256 of the whole.
 *
 * SubjectRecord: varints pageviews, block offset, block length, table length; then the name, length-prefixed, where
 * it must be listed (domains) or does not fit its key.
 */
import { createHash } from 'node:crypto';

export const indexNames = ['pages', 'domains', 'visits', 'listing'] as const;
export type IndexName = (typeof indexNames)[number];

/** Longest text, in UTF-8 bytes, that is its own key. */
export const longestPlainKey = 1900;

/** The key of a URL or domain: its bytes, cut and hashed where LMDB could not hold them. */
export function textKey(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= longestPlainKey) return bytes;
  const digest = createHash('sha256').update(bytes).digest('hex');
  return Buffer.concat([bytes.subarray(0, longestPlainKey), Buffer.of(0), Buffer.from(digest)]);
}

export function listingKey(domain: string, chunk: number): Buffer {
  const name = Buffer.from(domain);
  const key = Buffer.alloc(name.length + 5);
  name.copy(key);
  key.writeUInt32BE(chunk, name.length + 1);
  return key;
}
