/**
 * Definition of a repeat: a fact that was sent again. Repeats do not count.
 *
 * - A pageview is a repeat when an earlier one of its partition has its eventId, its visitor and its page (the URL by the
 *   URL rules), and counts itself: it is valid, its URL has a page, and neither the bot rule nor an exclusion leaves it out.
 * - An edge (equiv or retract) is a repeat when an earlier one has its eventId, its type and its unordered pair of ids.
 * - A repeated exclusion has no effect, so repeats of exclusions need no detection.
 *
 * Equal eventIds alone do not make a repeat: some trackers send one for a whole session, or a constant. The batch layer compares all facts
 * before its cut; the speed layer and imports look back over a bounded window (dedup-window.ts).
 */
import { hashBytes, hashWords, type KeyedHash } from '../lib/memory/keyed-hash.js';
import { compareUtf8, isExclusion, type Fact } from './fact.js';

/** Text that is equal for a fact and its repeats. `page`: the page of a pageview, by the URL rules. */
export function repeatText(fact: Fact, page: string): string {
  const { type, eventId } = fact;
  if (type === 'pageview') return JSON.stringify([eventId, fact.visitor, page]);
  if (isExclusion(fact)) return JSON.stringify([eventId, type, fact.by, fact.value, fact.from, fact.to]);
  return JSON.stringify([eventId, type, ...[fact.a, fact.b].toSorted(compareUtf8)]);
}

/** Parts of a pageview's key: the key is the hash of the concatenated hashes of these. */
export const repeatParts = ['eventId', 'visitor', 'page'] as const;

/**
 * Keys of pageviews, `hashWords` words each, equal only for repeats (up to collisions of the keyed hash). Each is the hash of the `repeatParts`
 * of a pageview, whose hashes start at `hashes[from + i * step]`.
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
