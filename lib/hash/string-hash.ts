/**
 * A 64-bit hash of strings, fast on short ones: two 32-bit multiply-and-rotate lanes over words of four ASCII characters,
 * or of two UTF-16 units where a string has others, each finished so that every input bit reaches every output bit. For
 * tables that keep no strings: at a million entries two different strings meet once in 10^13 look-ups. Batch views hold
 * such hashes (serving/identity.ts), so a change of the hash is one of their format.
 */
const seedA = 0x2545f491;
const seedB = 0x6c8e9cf5;
const seedOfUnits = 0x1b873593;
const factorA = 0x2c1b3c6d;
const factorB = 0x297a2d39;

const space = 0x20;
const tilde = 0x7e;
const backslash = 0x5c;
// eslint-disable-next-line no-control-regex -- ASCII begins with them
const ascii = /^[\u0000-\u007f]*$/;

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
    const unitBits = ascii.test(text) ? 8 : 16;
    let a = unitBits === 8 ? seedA : seedOfUnits;
    let b = seedB;
    let word = 0;
    let bits = 0;
    for (let i = 0; i < text.length; i++) {
      word |= text.charCodeAt(i) << bits;
      bits += unitBits;
      if (bits < 32 && i < text.length - 1) continue;
      a = mixA(a, word);
      b = mixB(b, word);
      word = 0;
      bits = 0;
    }
    this.#finish(a, b, text.length);
  }

  /**
   * The same hash of the text that begins at `from` and ends before the first byte equal to `end`. Returns where that
   * is; -1 when there is none before `limit`, or something comes before it that is not printable ASCII, or a backslash.
   */
  ofPlain(bytes: DataView, from: number, limit: number, end: number): number {
    const ends = end * 0x01010101;
    let a = seedA;
    let b = seedB;
    let i = from;
    for (; i + 4 <= limit; i += 4) {
      const word = bytes.getInt32(i, true);
      if (isSpecial(word, ends)) break;
      a = mixA(a, word);
      b = mixB(b, word);
    }
    let word = 0;
    for (let bits = 0; i < limit; i++, bits += 8) {
      const unit = bytes.getUint8(i);
      if (unit === end) {
        if (bits > 0) {
          a = mixA(a, word);
          b = mixB(b, word);
        }
        this.#finish(a, b, i - from);
        return i;
      }
      if (unit < space || unit > tilde || unit === backslash) return -1;
      word |= unit << bits;
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

function mixA(a: number, word: number): number {
  const x = a ^ word;
  return Math.imul((x << 15) | (x >>> 17), factorA);
}

function mixB(b: number, word: number): number {
  return Math.imul(((b << 13) | (b >>> 19)) + word, factorB);
}

/** True when one of the word's bytes is the one that `ends` holds four times, no printable ASCII, or a backslash. */
function isSpecial(word: number, ends: number): boolean {
  const highBits = 0x80808080 | 0;
  const end = word ^ ends;
  const slash = word ^ (backslash * 0x01010101);
  const found =
    ((end - 0x01010101) & ~end) | // a byte of 0 borrows from its high bit; so below
    ((slash - 0x01010101) & ~slash) |
    ((word - space * 0x01010101) & ~word) |
    (word + 0x01010101) | // 7f carries into its high bit
    word;
  return (found & highBits) !== 0;
}

function avalanche(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b | 0);
  return h ^ (h >>> 16);
}
