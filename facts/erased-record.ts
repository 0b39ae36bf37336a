/** Which records of the log are erased: every one that names an id that goes, and pageviews that are too old. */
import type { RecordTest, Topic } from '../log/log.js';
import type { ToErase } from './erasure-records.js';
import type { ErasedIds } from './erasures.js';
import { isExclusion } from './fact.js';
import { decodeRecord } from './record.js';

/** What is not a fact, which another producer wrote, is looked through for any text that is such an id. */
export function isToErase({ ids: erased, olderThan }: ToErase): RecordTest {
  return (value: Uint8Array, topic: Topic): boolean => {
    const fact = decodeRecord(value, topic);
    if (fact.type === 'invalid') return holdsErased(value, erased);
    if (fact.type === 'pageview') return fact.timestamp < olderThan || erased.has(fact.visitor);
    if (isExclusion(fact)) return fact.by === 'visitor' && erased.has(fact.value);
    return erased.has(fact.a) || erased.has(fact.b);
  };
}

/** Whether bytes are JSON that holds such an id as a text, at any depth. */
export function holdsErased(value: Uint8Array, erased: ErasedIds): boolean {
  let isFound = false;
  try {
    JSON.parse(Buffer.from(value).toString('utf8'), (key, each: unknown) => {
      isFound ||= erased.has(key) || (typeof each === 'string' && erased.has(each));
      return each;
    });
  } catch {
    return false; // no text in it can be told from another
  }
  return isFound;
}
