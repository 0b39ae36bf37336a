/**
 * Finds event ids that may occur more than once, from a stream of their 64-bit hashes. Eight bits distribute the hashes
 * over 256 buckets, so that each bucket can be searched within the processor's cache; 48 more bits are compared.
 * Different ids whose hashes agree in all 56 bits become possible repeats too (0.003 expected among 20 million), which
 * is harmless: possible repeats are compared as texts later.
 */
import { grown } from '../../lib/memory/grown.js';

const buckets = 256;
const hashBits = 27;

export class RepeatFinder {
  readonly #words: Uint32Array[] = [];
  readonly #halves: Uint16Array[] = [];
  readonly #lengths = new Uint32Array(buckets);

  /** `expected` is the estimated number of hashes; more can be added. */
  constructor(expected: number) {
    const each = Math.ceil((1.05 * expected) / buckets) + 64;
    for (let i = 0; i < buckets; i++) {
      this.#words.push(new Uint32Array(each));
      this.#halves.push(new Uint16Array(each));
    }
  }

  /** Adds hashes (pairs of words, the low one first; two zeros mean none) whose high word modulo `parts` is `part`. */
  addShare(hashes: Int32Array, parts: number, part: number): void {
    for (let at = 0; at < hashes.length; at += 2) {
      const [low, high] = [hashes[at] >>> 0, hashes[at + 1] >>> 0];
      if ((low !== 0 || high !== 0) && (parts === 1 || high % parts === part)) this.add(low, high);
    }
  }

  add(low: number, high: number): void {
    const bucket = high >>> 24;
    const at = this.#lengths[bucket];
    const words = this.#words[bucket];
    const halves = this.#halves[bucket];
    if (at === words.length) {
      this.#grow(bucket, words, halves);
      this.add(low, high);
      return;
    }
    words[at] = low;
    halves[at] = high;
    this.#lengths[bucket] = at + 1;
  }

  /** Adds the hashes seen more than once to `possibleRepeats` and empties the finder. */
  finish(possibleRepeats: PossibleRepeats): void {
    let seen = new Uint32Array(2);
    for (let bucket = 0; bucket < buckets; bucket++) {
      const words = this.#words[bucket];
      const halves = this.#halves[bucket];
      const length = this.#lengths[bucket];
      const capacity = 2 ** Math.ceil(Math.log2(2 * length + 2));
      if (seen.length < capacity) seen = new Uint32Array(capacity);
      seen.fill(0);
      searchBucket(words, halves, length, seen.subarray(0, capacity), possibleRepeats);
      this.#words[bucket] = new Uint32Array(0);
      this.#halves[bucket] = new Uint16Array(0);
    }
  }

  #grow(bucket: number, words: Uint32Array, halves: Uint16Array): void {
    const needed = 2 * words.length + 64;
    this.#words[bucket] = grown(words, needed);
    this.#halves[bucket] = grown(halves, needed);
  }
}

/**
 * A set of the hashes of possible repeats, with one bit for each 27-bit prefix: 16 MiB whatever their number, as a log
 * imported twice has as many repeats as facts. Each added hash also matches one other hash in 2^27 (15 % of them after
 * 20 million), which is harmless, because possible repeats are always compared as texts later.
 */
export class PossibleRepeats {
  readonly #bits = new Uint32Array(2 ** (hashBits - 5));
  #isEmpty = true;

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  add(low: number): void {
    const bit = low >>> (32 - hashBits);
    this.#bits[bit >>> 5] |= 1 << (bit & 31);
    this.#isEmpty = false;
  }

  /** Sets the flag of each hash (pairs of words, the low one first) that may be a repeat. */
  flag(hashes: Uint32Array, flags: Uint8Array): void {
    for (let i = 0; i < flags.length; i++) {
      const bit = hashes[2 * i] >>> (32 - hashBits);
      flags[i] = (this.#bits[bit >>> 5] >>> (bit & 31)) & 1;
    }
  }
}

/** Finds equal entries with open addressing; `seen` holds the index + 1 of the first entry of each hash. */
function searchBucket(
  words: Uint32Array,
  halves: Uint16Array,
  length: number,
  seen: Uint32Array,
  possibleRepeats: PossibleRepeats,
): void {
  const mask = seen.length - 1;
  for (let i = 0; i < length; i++) {
    const word = words[i];
    const half = halves[i];
    let slot = word & mask;
    for (;;) {
      const first = seen[slot];
      if (first === 0) {
        seen[slot] = i + 1;
        break;
      }
      if (words[first - 1] === word && halves[first - 1] === half) {
        possibleRepeats.add(word);
        break;
      }
      slot = (slot + 1) & mask;
    }
  }
}
