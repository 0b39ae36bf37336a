/**
 * What a repeat is: a fact that was sent again. Repeats do not count.
 *
 * - A pageview is a repeat when an earlier one of its partition has its eventId, its visitor and its page (the URL by the
 *   URL rules), and counts itself: it is valid, its URL has a page, and neither the bot rule nor an exclusion leaves it out.
 * - An edge (equiv or retract) is a repeat when an earlier one has its eventId, its type and its unordered pair of ids.
 * - An exclusion that is sent again says what it has said: there is nothing to tell apart.
 *
 * Equal eventIds alone make no repeat: trackers exist that send one for a whole session, or none that differs. The
 * batch layer compares all facts before its cut; the speed layer and imports look back a bounded way (dedup-window.ts).
 */
import { hashBytes, hashWords, type KeyedHash } from '../lib/memory/keyed-hash.js';
import { compareUtf8, isExclusion, type Fact } from './fact.js';

/** What has to be equal in a fact and its repeat, as one text. `page`: the pageview's, by the URL rules. */
export function repeatText(fact: Fact, page: string): string {
  const { type, eventId } = fact;
  if (type === 'pageview') return JSON.stringify([eventId, fact.visitor, page]);
  if (isExclusion(fact)) return JSON.stringify([eventId, type, fact.by, fact.value, fact.from, fact.to]);
  return JSON.stringify([eventId, type, ...[fact.a, fact.b].toSorted(compareUtf8)]);
}

/** What a pageview's key is made of: the hashes of these, one after the other. */
export const repeatParts = ['eventId', 'visitor', 'page'] as const;

/**
 * The keys of pageviews, `hashWords` words each: equal for a pageview and its repeat, and for nothing else, as surely as
 * keyed hashes are. Each is the hash of the pageview's `repeatParts`, which begin at `hashes[from + i * step]`.
 */
export function repeatKeys(hash: KeyedHash, hashes: Int32Array, from: number, step: number): Int32Array {
  const count = hashes.length / step;
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const start = 4 * (from + i * step);
    starts[i] = start;
    ends[i] = start + hashBytes * repeatParts.length;
  }
  const keys = new Int32Array(hashWords * count);
  const bytes = new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength);
  hash.spans({ bytes, sizeBytes: bytes.length, starts, ends, count }, keys);
  return keys;
}
