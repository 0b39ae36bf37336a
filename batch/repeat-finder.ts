/**
 * Finds event ids that may occur more than once, from a stream of their 64-bit hashes. Hashes are dealt into 256 buckets by
 * eight bits, so that each bucket is then searched within the processor's cache; 48 more bits tell hashes apart. Strangers
 * that agree in all 56 bits become suspects too (0.003 expected among 20 million): suspects are looked at again, exactly.
 */
import { grown } from '../lib/grown.js';

const buckets = 256;

export class RepeatFinder {
  readonly #words: Uint32Array[] = [];
  readonly #halves: Uint16Array[] = [];
  readonly #lengths = new Uint32Array(buckets);

  /** `expected` hashes in all; more fit as well. */
  constructor(expected: number) {
    const each = Math.ceil((1.05 * expected) / buckets) + 64;
    for (let i = 0; i < buckets; i++) {
      this.#words.push(new Uint32Array(each));
      this.#halves.push(new Uint16Array(each));
    }
  }

  add(low: number, high: number): void {
    const bucket = high >>> 24;
    const at = this.#lengths[bucket] ?? 0;
    const words = this.#words[bucket];
    const halves = this.#halves[bucket];
    if (words === undefined || halves === undefined) return;
    if (at === words.length) {
      this.#grow(bucket, words, halves);
      this.add(low, high);
      return;
    }
    words[at] = low;
    halves[at] = high;
    this.#lengths[bucket] = at + 1;
  }

  /** The hashes seen more than once, as `suspectKey` names them; empties the finder. */
  finish(): Set<number> {
    const suspects = new Set<number>();
    let seen = new Uint32Array(2);
    for (let bucket = 0; bucket < buckets; bucket++) {
      const words = this.#words[bucket];
      const halves = this.#halves[bucket];
      const length = this.#lengths[bucket] ?? 0;
      if (words === undefined || halves === undefined) continue;
      const capacity = 2 ** Math.ceil(Math.log2(2 * length + 2));
      if (seen.length < capacity) seen = new Uint32Array(capacity);
      seen.fill(0);
      searchBucket(words, halves, length, seen.subarray(0, capacity), suspects);
      this.#words[bucket] = new Uint32Array(0);
      this.#halves[bucket] = new Uint16Array(0);
    }
    return suspects;
  }

  #grow(bucket: number, words: Uint32Array, halves: Uint16Array): void {
    const needed = 2 * words.length + 64;
    this.#words[bucket] = grown(words, needed);
    this.#halves[bucket] = grown(halves, needed);
  }
}

/** Names a hash by 48 of its compared bits: a few more suspects do no harm. */
export function suspectKey(low: number, high: number): number {
  return low + (high & 0xffff) * 2 ** 32;
}

/** `seen` holds index + 1 of the first entry of each hash, open addressing. */
function searchBucket(
  words: Uint32Array,
  halves: Uint16Array,
  length: number,
  seen: Uint32Array,
  suspects: Set<number>,
): void {
  const mask = seen.length - 1;
  for (let i = 0; i < length; i++) {
    const word = words[i] ?? 0;
    const half = halves[i] ?? 0;
    let slot = word & mask;
    for (;;) {
      const first = seen[slot] ?? 0;
      if (first === 0) {
        seen[slot] = i + 1;
        break;
      }
      if (words[first - 1] === word && halves[first - 1] === half) {
        suspects.add(suspectKey(word, half));
        break;
      }
      slot = (slot + 1) & mask;
    }
  }
}
