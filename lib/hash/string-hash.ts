/**
 * A 64-bit hash of strings, for tables that only this process ever sees (eventIds in the window, what was looked up
 * lately), so it may be whatever is fastest on short strings: two 32-bit multiply-and-mix lanes over the UTF-16 units,
 * each finished so that every input bit reaches every output bit. Tables that trust it keep no strings: at a million
 * entries two different strings meet once in 10^13 look-ups.
 */
export class StringHash {
  hi = 0;
  lo = 0;

  /** Puts the hash into `hi` and `lo` (int32), so that no object is made for a string. */
  of(text: string): void {
    let a = 0x2545f491 ^ text.length;
    let b = 0x6c8e9cf5;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x2c1b3c6d);
      b = Math.imul(((b << 13) | (b >>> 19)) + unit, 0x297a2d39);
    }
    this.hi = avalanche(a ^ (b >>> 9));
    this.lo = avalanche(b ^ (a << 7));
  }
}

function avalanche(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b | 0);
  return h ^ (h >>> 16);
}
