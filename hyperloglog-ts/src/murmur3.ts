// MurmurHash3 x64-128 (Austin Appleby, public domain) with seed 9001, reduced to the coupon that DataSketches takes
// from it. JavaScript has no fast 64-bit integer, so every word is a pair of 32-bit halves, low half first. This is the
// readable and portable form; kernels.wat does the same in native 64-bit words.

const seed = 9001;

// A mutable 64-bit word.
class Word {
  low = 0;
  high = 0;

  set(low: number, high: number): void {
    this.low = low | 0;
    this.high = high | 0;
  }

  xor(low: number, high: number): void {
    this.low ^= low;
    this.high ^= high;
  }

  add(low: number, high: number): void {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.low = sum | 0;
    this.high = (this.high + high + (sum > 0xffffffff ? 1 : 0)) | 0;
  }

  multiply(low: number, high: number): void {
    const cross = Math.imul(this.low, high) + Math.imul(this.high, low);
    this.high = (multiplyHigh(this.low, low) + cross) | 0;
    this.low = Math.imul(this.low, low);
  }

  /** Rotates left by 1 to 31 bits. */
  rotate(bits: number): void {
    const { low, high } = this;
    this.low = (low << bits) | (high >>> (32 - bits));
    this.high = (high << bits) | (low >>> (32 - bits));
  }

  swapHalves(): void {
    const { low } = this;
    this.low = this.high;
    this.high = low;
  }

  finalize(): void {
    this.low ^= this.high >>> 1;
    this.multiply(0xed558ccd, 0xff51afd7);
    this.low ^= this.high >>> 1;
    this.multiply(0x1a85ec53, 0xc4ceb9fe);
    this.low ^= this.high >>> 1;
  }
}

// Returns the upper 32 bits of the product of two unsigned 32-bit numbers.
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0;
}

/** A hasher with its working words. Hashes do not depend on earlier inputs. */
export class Murmur3 {
  readonly #h1 = new Word();
  readonly #h2 = new Word();
  readonly #k = new Word();

  /** Returns the coupon of a 64-bit integer given as two 32-bit halves. */
  couponOfInt64(low: number, high: number): number {
    this.#h1.set(seed, 0);
    this.#h2.set(seed, 0);
    this.#k.set(low, high);
    this.#mixFirstHalf();
    return this.#coupon(8);
  }

  /** Returns the coupon of bytes[from, to), or 0 if there are none. */
  couponOfBytes(bytes: Uint8Array, from: number, to: number): number {
    if (from >= to) return 0;
    const h1 = this.#h1;
    const h2 = this.#h2;
    h1.set(seed, 0);
    h2.set(seed, 0);
    let at = from;
    for (; at + 16 <= to; at += 16) {
      this.#load(bytes, at, at + 8);
      this.#mixFirstHalf();
      h1.rotate(27);
      h1.add(h2.low, h2.high);
      h1.multiply(5, 0);
      h1.add(0x52dce729, 0);
      this.#load(bytes, at + 8, at + 16);
      this.#mixSecondHalf();
      h2.rotate(31);
      h2.add(h1.low, h1.high);
      h2.multiply(5, 0);
      h2.add(0x38495ab5, 0);
    }
    if (to - at > 8) {
      this.#load(bytes, at + 8, to);
      this.#mixSecondHalf();
    }
    if (to > at) {
      this.#load(bytes, at, Math.min(to, at + 8));
      this.#mixFirstHalf();
    }
    return this.#coupon(to - from);
  }

  // Loads up to eight bytes, little-endian, as the next half block.
  #load(bytes: Uint8Array, from: number, to: number): void {
    let low = 0;
    let high = 0;
    for (let i = from; i < to; i++) {
      const shift = (i - from) * 8;
      if (shift < 32) low |= bytes[i] << shift;
      else high |= bytes[i] << (shift - 32);
    }
    this.#k.set(low, high);
  }

  #mixFirstHalf(): void {
    const k = this.#k;
    k.multiply(0x114253d5, 0x87c37b91);
    k.rotate(31);
    k.multiply(0x2745937f, 0x4cf5ad43);
    this.#h1.xor(k.low, k.high);
  }

  #mixSecondHalf(): void {
    const k = this.#k;
    k.multiply(0x2745937f, 0x4cf5ad43);
    k.swapHalves();
    k.rotate(1);
    k.multiply(0x114253d5, 0x87c37b91);
    this.#h2.xor(k.low, k.high);
  }

  #coupon(length: number): number {
    const h1 = this.#h1;
    const h2 = this.#h2;
    h1.xor(length, 0);
    h2.xor(length, 0);
    h1.add(h2.low, h2.high);
    h2.add(h1.low, h1.high);
    h1.finalize();
    h2.finalize();
    h1.add(h2.low, h2.high);
    h2.add(h1.low, h1.high);
    const zeros = h2.high === 0 ? 32 + Math.clz32(h2.low | 2) : Math.clz32(h2.high);
    return (((zeros + 1) << 26) | (h1.low & 0x3ffffff)) >>> 0;
  }
}
