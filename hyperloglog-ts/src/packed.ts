// Packs registers for storage, in a format of this package, for callers that keep many large sketches and merge them
// often. Byte 0 is lgK; then, for k = 2^lgK registers of which n are not empty:
//
//   k / 8 bytes          marks: bit i & 7 of byte i >> 3 is set if register i is not empty
//   (n + 1) / 2 bytes    min(value, 16) - 1 of those registers, a nibble each, the low one first
//   4 bytes each         the registers over 16 as coupons, little-endian, ascending by register
//
// At lgK 14 that is 2.8 KB for 1,536 values and 10 KB for any realistic larger number, where HLL_8 always takes 16 KB
// and HLL_4 8 KB. A union merges it without unpacking it first: SIMD places the nibbles and merges them directly. A
// register over 16 counts as 16 at first, and its coupon then raises it.
import { HllError } from './errors.js';
import { slackBytes } from './kernels.js';
import type { Kernels } from './kernels.js';
import { overRegister, requireRegistersLength } from './registers.js';

const largestNibble = 16;

/**
 * Packs 2^lgK registers, lgK 4..21. The result may be longer than the input if most registers are over 16. Throws
 * HLL_BAD_REGISTERS on another length and on a register over 63.
 */
export function packRegisters(registers: Uint8Array): Uint8Array {
  const lgK = requireRegistersLength(registers);
  const k = registers.length;
  const work = new Uint8Array(1 + maxPackedBytes(k) + k);
  const nibblesAt = 1 + k / 8;
  const valuesAt = 1 + maxPackedBytes(k);
  const large: number[] = [];
  let end = valuesAt;
  // Branch-free on whether a register is empty: the branch would be mispredicted half of the time.
  for (let slot = 0, marks = 0; slot < k; slot++) {
    const value = registers[slot];
    const taken = (value + 63) >> 6;
    work[end] = value - 1;
    end += taken;
    marks = (marks >>> 1) | (taken << 7);
    if ((slot & 7) === 7) work[1 + (slot >> 3)] = marks;
    if (value <= largestNibble) continue;
    if (value > 63) throw overRegister(slot, value);
    large.push((value << 26) | slot);
  }
  work[end] = 0;
  for (let i = 0; i < end - valuesAt; i += 2) {
    const low = Math.min(work[valuesAt + i], largestNibble - 1);
    const high = Math.min(work[valuesAt + i + 1], largestNibble - 1);
    work[nibblesAt + (i >> 1)] = low | (high << 4);
  }
  const couponsAt = nibblesAt + ((end - valuesAt + 1) >> 1);
  const packed = new Uint8Array(couponsAt + 4 * large.length);
  packed.set(work.subarray(0, couponsAt));
  packed[0] = lgK;
  const view = new DataView(packed.buffer, couponsAt);
  large.forEach((coupon, i) => view.setUint32(4 * i, coupon, true));
  return packed;
}

/** Unpacks registers into a new array. Throws HLL_BAD_REGISTERS for bytes that are not packed registers. */
export function unpackRegisters(packed: Uint8Array): Uint8Array {
  const k = 2 ** packedLgK(packed);
  const registers = new Uint8Array(k);
  const nibblesAt = 1 + k / 8;
  let count = 0;
  for (let slot = 0; slot < k; slot++) {
    if (((packed[1 + (slot >> 3)] >>> (slot & 7)) & 1) === 0) continue;
    registers[slot] = ((packed[nibblesAt + (count >> 1)] >>> (4 * (count & 1))) & 15) + 1;
    count++;
  }
  forEachLarge(packed, count, (coupon) => {
    registers[coupon & (k - 1)] = coupon >>> 26;
  });
  return registers;
}

/** Returns the lgK of packed registers. Throws HLL_BAD_REGISTERS for bytes that are not packed registers. */
export function packedLgK(packed: Uint8Array): number {
  const lgK = packed[0];
  if (packed.length === 0 || lgK < 4 || lgK > 21 || packed.length < 1 + 2 ** lgK / 8) throw notPacked(packed);
  return lgK;
}

/** Returns the bytes of kernel memory that `mergePacked` needs. */
export function packedWorkBytes(lgK: number): number {
  return 2 ** lgK + slackBytes + maxPackedBytes(2 ** lgK);
}

/**
 * Merges packed registers into the 2^lgK registers at `into`, in kernel memory with `packedWorkBytes` of scratch space
 * at `work`, except those over 16: `raise` receives their coupons. Throws HLL_BAD_REGISTERS; the registers are then
 * invalid.
 */
export function mergePacked(
  kernels: Kernels,
  into: number,
  work: number,
  packed: Uint8Array,
  raise: (coupon: number) => void,
): void {
  const lgK = packedLgK(packed);
  const k = 2 ** lgK;
  const marks = work + k + slackBytes;
  const taken = Math.min(packed.length - 1, maxPackedBytes(k));
  kernels.bytes.set(packed.subarray(1, 1 + taken), marks);
  kernels.unpackNibbles(work, marks + k / 8, taken - k / 8, 1);
  forEachLarge(packed, kernels.mergeMarked(into, marks, work, k), raise);
}

// Size of the marks and nibbles of k registers that are all occupied.
function maxPackedBytes(k: number): number {
  return (5 * k) / 8;
}

// Passes the coupons of the registers over 16 to `raise`, `count` registers being marked. Each must belong to a marked
// register, and they must ascend. (That the register's nibble is 15 is not checked: a union would have to count marks
// to find it, and the result is the same.)
function forEachLarge(packed: Uint8Array, count: number, raise: (coupon: number) => void): void {
  const k = 2 ** packedLgK(packed);
  const at = 1 + k / 8 + ((count + 1) >> 1);
  if (at > packed.length || (packed.length - at) % 4 !== 0) throw notPacked(packed);
  if (count % 2 === 1 && packed[at - 1] > 15) throw notPacked(packed); // the unused nibble is 0
  if (at === packed.length) return;
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let last = -1;
  for (let i = at; i < packed.length; i += 4) {
    const coupon = view.getUint32(i, true);
    const slot = coupon & 0x3ffffff;
    const isMarked = slot < k && ((packed[1 + (slot >> 3)] >>> (slot & 7)) & 1) === 1;
    if (!isMarked || slot <= last || coupon >>> 26 <= largestNibble) throw notPacked(packed);
    last = slot;
    raise(coupon);
  }
}

function notPacked(packed: Uint8Array): HllError {
  return new HllError('HLL_BAD_REGISTERS', `${packed.length} bytes are not packed registers`);
}
