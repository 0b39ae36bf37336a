/**
 * index.dat: positions of a view's subjects, and small data, in tables (serving/sorted-file.ts):
 *
 *   pages      page                -> SubjectRecord      position of the page's block in pages.dat
 *   domains    domain              -> SubjectRecord      the same in domains.dat
 *   visits     domain              -> visits by bucket     serving/arrays/visits.ts
 *   listing    domain 00 u32 chunk -> (pageviews, shared, length, rest)*   pages of the domain in key order; `shared`
 *                                                            characters are those of the URL before
 *   value-<dimension>    domain 00 value -> SubjectRecord    the same in value-<dimension>.dat
 *   exclusions           [by, value, from, to] as JSON -> empty      those in force at the cut, since format 8
 *
 * Texts are raw UTF-8. SubjectRecord: varints pageviews, block offset, block length, table length.
 */
import { firstWithExclusions, formatVersion, kindOf, type Kind } from './layout.js';

export type IndexName = Kind | 'visits' | 'listing' | 'exclusions';

/** All tables, in order, of a view with these dimensions. */
export function indexNamesOf(dimensions: readonly string[], format = formatVersion): readonly IndexName[] {
  const ofExclusions: readonly IndexName[] = format < firstWithExclusions ? [] : ['exclusions'];
  return ['pages', 'domains', 'visits', 'listing', ...dimensions.map(kindOf), ...ofExclusions];
}

export function listingKey(domain: string, chunk: number): Buffer {
  const name = Buffer.from(domain);
  const key = Buffer.alloc(name.length + 5);
  name.copy(key);
  key.writeUInt32BE(chunk, name.length + 1);
  return key;
}

/** An empty value gives the prefix of all values of the domain. */
export function valueKey(domain: string, value: string | Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(domain),
    Buffer.of(0),
    typeof value === 'string' ? Buffer.from(value) : value,
  ]);
}
