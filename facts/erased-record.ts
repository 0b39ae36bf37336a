/** Decides which records of the log are erased: those that contain an erased id, and pageviews and edges that are too old. */
import type { RecordTest, Topic } from '../log/log.js';
import type { ErasureFilter } from './erasure-records.js';
import type { ErasedIds } from './erasures.js';
import { isExclusion } from './fact.js';
import { decodeRecord } from './record.js';

/** Records that are not valid facts (written by another producer) are erased if any text in them is an erased id. */
export function matchesErasure({ ids: erased, olderThan, edges }: ErasureFilter): RecordTest {
  return (value: Uint8Array, topic: Topic): boolean => {
    const fact = decodeRecord(value, topic);
    if (fact.type === 'invalid') return holdsErased(value, erased);
    if (fact.type === 'pageview') return fact.timestamp < olderThan || erased.has(fact.visitor);
    if (isExclusion(fact)) return fact.by === 'visitor' && erased.has(fact.value);
    return erased.has(fact.a) || erased.has(fact.b) || (fact.timestamp < olderThan && edges.has(fact));
  };
}

/** Whether bytes are JSON that contains an erased id as a key or string, at any depth. */
export function holdsErased(value: Uint8Array, erased: ErasedIds): boolean {
  let isFound = false;
  try {
    JSON.parse(Buffer.from(value).toString('utf8'), (key, each: unknown) => {
      isFound ||= erased.has(key) || (typeof each === 'string' && erased.has(each));
      return each;
    });
  } catch {
    return false; // without valid JSON there are no delimited texts to compare
  }
  return isFound;
}
