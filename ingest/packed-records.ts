/** The records of a block of lines as a few arrays, which are cheaper to send to another thread than objects. */
import { keyOf, recordText, topicOf } from '../facts/record.js';
import type { Fact } from '../facts/fact.js';
import type { UrlRules } from '../facts/url/normalize.js';
import type { NewRecord } from '../log/log.js';

export interface PackedRecords {
  /** The concatenated values. */
  readonly values: Uint8Array;
  /** End of each value, in bytes. */
  readonly ends: Uint32Array;
  /** The distinct keys. */
  readonly keys: readonly string[];
  /** Index of each record's key. */
  readonly keyOf: Uint32Array;
  /** Indexes of the few records whose topic is `equivs`. */
  readonly equivs: readonly number[];
}

/** Packs the records of facts, as `encodeRecord` would make them. */
export function packRecords(facts: readonly Fact[], urls: UrlRules): PackedRecords {
  const ends = new Uint32Array(facts.length);
  const keyIndexes = new Uint32Array(facts.length);
  const keys = new Map<string, number>();
  const equivs: number[] = [];
  const texts: string[] = [];
  let length = 0;
  for (const [i, fact] of facts.entries()) {
    const text = recordText(fact);
    length += text.length;
    ends[i] = length;
    texts.push(text);
    const key = keyOf(fact, urls);
    const known = keys.get(key);
    keyIndexes[i] = known ?? keys.size;
    if (known === undefined) keys.set(key, keys.size);
    if (topicOf(fact) === 'equivs') equivs.push(i);
  }
  const values = Buffer.from(texts.join(''));
  if (values.length > length) {
    let end = 0;
    for (const [i, text] of texts.entries()) ends[i] = end += Buffer.byteLength(text);
  }
  return { values, ends, keys: [...keys.keys()], keyOf: keyIndexes, equivs };
}

export function unpackRecords({ values, ends, keys, keyOf: keyIndexes, equivs }: PackedRecords): NewRecord[] {
  const records: NewRecord[] = [];
  const isEquiv = new Set(equivs);
  let from = 0;
  for (const [i, to] of ends.entries()) {
    const value = values.subarray(from, to);
    from = to;
    records.push({
      topic: isEquiv.has(i) ? 'equivs' : 'pageviews',
      key: keys[keyIndexes[i] ?? 0] ?? '',
      value,
    });
  }
  return records;
}
