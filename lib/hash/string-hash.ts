/**
 * A 64-bit hash of strings, for tables that only this process ever sees (eventIds in the window, what was looked up
 * lately), so it may be whatever is fastest on short strings: two 32-bit multiply-and-mix lanes over the UTF-16 units,
 * each finished so that every input bit reaches every output bit. Tables that trust it keep no strings: at a million
 * entries two different strings meet once in 10^13 look-ups.
 */
const seedA = 0x2545f491;
const seedB = 0x6c8e9cf5;
const factorA = 0x2c1b3c6d;
const factorB = 0x297a2d39;

const space = 0x20;
const tilde = 0x7e;
const backslash = 0x5c;

/** The two words (int32) of a 64-bit hash. */
export interface Hash {
  readonly hi: number;
  readonly lo: number;
}

export class StringHash {
  hi = 0;
  lo = 0;

  /** Puts the hash into `hi` and `lo` (int32), so that no object is made for a string. */
  of(text: string): void {
    let a = seedA;
    let b = seedB;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, factorA);
      b = Math.imul(((b << 13) | (b >>> 19)) + unit, factorB);
    }
    this.#finish(a, b, text.length);
  }

  /**
   * The same hash of the text that begins at `from` and ends before the first byte equal to `end`. Returns where that
   * is; -1 when there is none, or something comes before it that is not printable ASCII, or a backslash.
   */
  ofPlain(bytes: Uint8Array, from: number, end: number): number {
    let a = seedA;
    let b = seedB;
    const { length } = bytes;
    for (let i = from; i < length; i++) {
      const unit = bytes[i] ?? 0;
      if (unit === end) {
        this.#finish(a, b, i - from);
        return i;
      }
      if (unit < space || unit > tilde || unit === backslash) return -1;
      a = Math.imul(a ^ unit, factorA);
      b = Math.imul(((b << 13) | (b >>> 19)) + unit, factorB);
    }
    return -1;
  }

  #finish(a: number, b: number, length: number): void {
    this.hi = avalanche(a ^ (b >>> 9) ^ length);
    this.lo = avalanche(b ^ (a << 7));
  }
}

/** The hash as an object of its own: where it is not wanted a million times a second. */
export function hashOf(text: string): Hash {
  const hash = new StringHash();
  hash.of(text);
  return hash;
}

function avalanche(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b | 0);
  return h ^ (h >>> 16);
}
