/**
 * index.dat: where a view's subjects lie, in tables (serving/sorted-file.ts):
 *
 *   pages      page                -> SubjectRecord      where the page's block lies in pages.dat
 *   domains    domain              -> SubjectRecord      the same in domains.dat
 *   visits     domain              -> (bucket delta, visits, bounces)*       varints
 *   listing    domain 00 u32 chunk -> (pageviews, shared, length, rest)*   pages of the domain in key order; `shared`
 *                                                            characters are those of the URL before
 *   value-<dimension>    domain 00 value -> SubjectRecord    the same in value-<dimension>.dat
 *   exclusions           [by, value, from, to] as JSON -> nothing      those in force at the cut, from format 8 on
 *
 * Texts are raw UTF-8. SubjectRecord: varints pageviews, block offset, block length, table length.
 */
import { firstWithExclusions, formatVersion, kindOf, type Kind } from './layout.js';

export type IndexName = Kind | 'visits' | 'listing' | 'exclusions';

/** All tables of a view of a format that holds these dimensions, in order. */
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

/** '' for the start of all values of the domain. */
export function valueKey(domain: string, value: string | Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(domain),
    Buffer.of(0),
    typeof value === 'string' ? Buffer.from(value) : value,
  ]);
}
