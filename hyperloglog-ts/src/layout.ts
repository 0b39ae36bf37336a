// The layout of the Apache DataSketches HLL format, serial version 1, all integers little-endian:
//
//   byte 0  length of the preamble in ints: 2 LIST, 3 SET, 10 HLL
//        1  serial version, 1
//        2  family, 7
//        3  lgK, 4..21
//        4  LIST, SET: log2 of the array's ints; HLL_4: log2 of the exception table's ints, 0 if there is none
//        5  flags: 4 empty, 8 compact, 16 out of order (HLL: the HIP accumulator is invalid)
//        6  LIST: number of coupons; HLL: curMin
//        7  bits 0-1 mode: 0 LIST, 1 SET, 2 HLL; bits 2-3 target type: 0 HLL_4, 1 HLL_6, 2 HLL_8
//
//   LIST    8  coupons u32 (up to 7)
//   SET     8  number of coupons u32
//          12  coupons u32
//   HLL     8  f64 HIP accumulator, 16 f64 sum of 2^-value for values under 32, 24 f64 the same for the others
//          32  u32 number of registers at curMin, 36 u32 number of exceptions
//          40  registers: HLL_8 a byte each; HLL_6 six bits each, lowest first, and one padding byte;
//              HLL_4 a nibble each, even register low, value - curMin, 15 for exceptions
//              then, HLL_4 only, the exceptions: u32 value << 26 | register
//
// Compact arrays hold exactly their entries. Updatable ones are complete hash tables with 0 for free cells: 8 ints for
// LIST, 2^(byte 4) for SET and exceptions (and room for a first table if there are no exceptions).

export type HllType = 'HLL_4' | 'HLL_6' | 'HLL_8';

export const hllTypes: readonly HllType[] = ['HLL_4', 'HLL_6', 'HLL_8'];

export const modes = { list: 0, set: 1, hll: 2 } as const;

export const preambleInts = { list: 2, set: 3, hll: 10 } as const;

export const flags = { empty: 4, compact: 8, outOfOrder: 16 } as const;

export const serialVersion = 1;
export const family = 7;

export const listInts = 8;

/** Maximum number of coupons of a LIST; with one more it is written as a SET. */
export const longestList = 7;

export const lgListInts = 3;
export const lgSmallestSet = 5;
export const registersAt = 40;

/** Marks a register in HLL_4 whose value does not fit a nibble. */
export const exceptionNibble = 15;

/** Returns log2 of the ints in the first exception table of an HLL_4 sketch. */
export function lgFirstExceptions(lgK: number): number {
  return [2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13][lgK - 4] ?? 2;
}

/** Returns the size of the registers of a type in bytes, without exceptions. */
export function registerBytes(type: HllType, lgK: number): number {
  const k = 2 ** lgK;
  if (type === 'HLL_4') return k / 2;
  return type === 'HLL_6' ? (3 * k) / 4 + 1 : k;
}
