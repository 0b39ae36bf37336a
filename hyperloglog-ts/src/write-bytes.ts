// Writes a sketch's state in the DataSketches format. Where implementations differ it follows the C++ library, and
// writes only what every reader accepts: correct sums in the preamble, curMin 0 except in HLL_4, the compact flag on
// every compact form. The bytes depend only on the arguments, so sketches that are not fed by one stream have equal
// bytes for equal sets: ascending coupons, no HIP, the out-of-order flag set.
import { CouponTable } from './coupon-table.js';
import { HllError } from './errors.js';
import {
  exceptionNibble,
  family,
  flags,
  hllTypes,
  lgFirstExceptions,
  lgListInts,
  lgSmallestSet,
  listInts,
  modes,
  preambleInts,
  registerBytes,
  registersAt,
  serialVersion,
} from './layout.js';
import type { HllType } from './layout.js';
import { inverseSums } from './registers.js';
import type { Registers } from './registers.js';

export interface WriteOptions {
  /** How registers are packed. HLL_4 takes half the bytes of HLL_8 and the most time. Default HLL_8. */
  readonly type?: HllType;
  /**
   * `updatable` is the form that some implementations work on; it is larger and has no more information. Default
   * `compact`.
   */
  readonly form?: 'compact' | 'updatable';
}

/** Writes up to seven coupons in the given order. */
export function writeList(coupons: Uint32Array, lgK: number, options: WriteOptions): Uint8Array {
  const compact = isCompact(options);
  const writer = startWith('list', 8 + 4 * (compact ? coupons.length : listInts), lgK, options);
  writer.setUint8(4, lgListInts);
  writer.setUint8(5, (compact ? flags.compact : 0) | (coupons.length === 0 ? flags.empty : 0));
  writer.setUint8(6, coupons.length);
  coupons.forEach((coupon, i) => writer.setUint32(8 + 4 * i, coupon, true));
  return new Uint8Array(writer.buffer);
}

/** Writes eight or more coupons in the given order; the updatable form writes the cells of their table. */
export function writeSet(
  coupons: Uint32Array,
  table: CouponTable,
  lgK: number,
  options: WriteOptions,
): Uint8Array {
  const compact = isCompact(options);
  const written = compact ? coupons : table.cells;
  const writer = startWith('set', 12 + 4 * written.length, lgK, options);
  writer.setUint8(4, 31 - Math.clz32(table.cells.length));
  writer.setUint8(5, compact ? flags.compact : 0);
  writer.setUint32(8, coupons.length, true);
  written.forEach((coupon, i) => writer.setUint32(12 + 4 * i, coupon, true));
  return new Uint8Array(writer.buffer);
}

/** Returns the table that results from adding these coupons in order. */
export function tableOf(coupons: Iterable<number>): CouponTable {
  const table = new CouponTable(lgSmallestSet);
  for (const coupon of coupons) table.add(coupon);
  return table;
}

export function writeRegisters(registers: Registers, options: WriteOptions): Uint8Array {
  const { lgK, histogram } = registers;
  const type = typeOf(options);
  const compact = isCompact(options);
  const curMin = type === 'HLL_4' ? histogram.findIndex((count) => count > 0) : 0;
  const exceptions = type === 'HLL_4' ? exceptionsOf(registers.bytes, curMin) : noExceptions;
  const table = exceptionTable(exceptions, lgK);
  const tail =
    compact || type !== 'HLL_4' ? exceptions : (table ?? new Uint32Array(2 ** lgFirstExceptions(lgK)));

  const tailAt = registersAt + registerBytes(type, lgK);
  const writer = startWith('hll', tailAt + 4 * tail.length, lgK, options);
  const { low, high } = inverseSums(histogram);
  writer.setUint8(4, table === undefined ? 0 : 31 - Math.clz32(table.length));
  writer.setUint8(5, (compact ? flags.compact : 0) | (registers.hip === undefined ? flags.outOfOrder : 0));
  writer.setUint8(6, curMin);
  writer.setFloat64(8, registers.hip ?? 0, true);
  writer.setFloat64(16, low, true);
  writer.setFloat64(24, high, true);
  writer.setUint32(32, histogram[curMin], true);
  writer.setUint32(36, exceptions.length, true);
  const bytes = new Uint8Array(writer.buffer);
  packers[type](registers.bytes, bytes.subarray(registersAt, tailAt), curMin);
  tail.forEach((pair, i) => writer.setUint32(tailAt + 4 * i, pair, true));
  return bytes;
}

// Writes the bytes that all modes have in common.
function startWith(mode: keyof typeof modes, size: number, lgK: number, options: WriteOptions): DataView {
  const writer = new DataView(new ArrayBuffer(size));
  writer.setUint8(0, preambleInts[mode]);
  writer.setUint8(1, serialVersion);
  writer.setUint8(2, family);
  writer.setUint8(3, lgK);
  writer.setUint8(7, modes[mode] | (hllTypes.indexOf(typeOf(options)) << 2));
  return writer;
}

function typeOf({ type = 'HLL_8' }: WriteOptions): HllType {
  if (hllTypes.includes(type)) return type;
  throw new HllError('HLL_BAD_ARGUMENT', `type is ${type}, not one of ${hllTypes.join(', ')}`);
}

function isCompact({ form = 'compact' }: WriteOptions): boolean {
  if (form === 'compact' || form === 'updatable') return form === 'compact';
  throw new HllError('HLL_BAD_ARGUMENT', `form is ${String(form)}, not compact or updatable`);
}

const noExceptions = new Uint32Array(0);

type Packer = (registers: Uint8Array, into: Uint8Array, curMin: number) => void;

const packers: Readonly<Record<HllType, Packer>> = {
  HLL_4(registers, into, curMin) {
    for (let i = 0; i < into.length; i++) {
      const low = Math.min(exceptionNibble, registers[2 * i] - curMin);
      const high = Math.min(exceptionNibble, registers[2 * i + 1] - curMin);
      into[i] = low | (high << 4);
    }
  },
  HLL_6(registers, into) {
    for (let from = 0, to = 0; from < registers.length; from += 4, to += 3) {
      const a = registers[from];
      const b = registers[from + 1];
      const c = registers[from + 2];
      const d = registers[from + 3];
      into[to] = a | (b << 6);
      into[to + 1] = (b >>> 2) | (c << 4);
      into[to + 2] = (c >>> 4) | (d << 2);
    }
  },
  HLL_8(registers, into) {
    into.set(registers);
  },
};

// Returns the registers that do not fit a nibble, ascending.
function exceptionsOf(registers: Uint8Array, curMin: number): Uint32Array {
  const pairs: number[] = [];
  registers.forEach((value, slot) => {
    if (value - curMin >= exceptionNibble) pairs.push(((value << 26) | slot) >>> 0);
  });
  return Uint32Array.from(pairs);
}

// Returns the exceptions as the reference's hash table; undefined if there are none.
function exceptionTable(pairs: Uint32Array, lgK: number): Uint32Array | undefined {
  if (pairs.length === 0) return undefined;
  let lg = lgFirstExceptions(lgK);
  while (4 * pairs.length > 3 * 2 ** lg) lg++;
  const table = new Uint32Array(2 ** lg);
  const mask = table.length - 1;
  for (const pair of pairs) {
    const slot = pair & (2 ** lgK - 1);
    const stride = (slot >>> lg) | 1;
    let cell = slot & mask;
    while (table[cell] !== 0) cell = (cell + stride) & mask;
    table[cell] = pair;
  }
  return table;
}
