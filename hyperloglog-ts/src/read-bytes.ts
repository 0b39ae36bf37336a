// Parses bytes of the DataSketches format into a sketch's state. The bytes may come from anywhere, so all fields are
// checked against each other before use: the result is a state that a sketch can have, or an HllFormatError says where
// the bytes are invalid. Nothing larger than the declared lgK requires is allocated, and no length is used before the
// bytes are known to be there.
//
// Fields that implementations disagree on are recomputed from coupons and registers and not trusted: sums and zero
// counts in the preamble, curMin outside HLL_4, the compact flag of HLL_6 and HLL_8, flags 1, 2 and 32.
import { maxCoupons } from './estimate.js';
import { HllFormatError } from './errors.js';
import {
  exceptionNibble,
  family,
  flags,
  hllTypes,
  lgFirstExceptions,
  lgSmallestSet,
  listInts,
  longestList,
  modes,
  preambleInts,
  registerBytes,
  registersAt,
  serialVersion,
} from './layout.js';
import type { HllType } from './layout.js';
import { unpackNibbles } from './register-arrays.js';

export type SketchParts =
  | { readonly lgK: number; readonly coupons: Uint32Array }
  | { readonly lgK: number; readonly registers: Uint8Array; readonly hip: number | undefined };

export function readSketch(bytes: Uint8Array): SketchParts {
  if (bytes.length < 8) {
    throw new HllFormatError(bytes.length, 'preamble', `is missing: ${bytes.length} bytes are too few`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lgK = view.getUint8(3);
  check(view.getUint8(1) === serialVersion, 1, 'serial version', `is ${bytes[1]}, not ${serialVersion}`);
  check(view.getUint8(2) === family, 2, 'family', `is ${bytes[2]}, not ${family}`);
  check(lgK >= 4 && lgK <= 21, 3, 'lgK', `is ${lgK}, not from 4 to 21`);
  const modeByte = view.getUint8(7);
  const type = hllTypes[(modeByte >>> 2) & 3];
  if (type === undefined || modeByte > 15)
    throw new HllFormatError(7, 'mode', `is ${modeByte}: unknown type`);
  switch (modeByte & 3) {
    case modes.list:
      return { lgK, coupons: readList(view) };
    case modes.set:
      return { lgK, coupons: readSet(view, lgK) };
    case modes.hll:
      return { lgK, ...readHll(view, bytes, lgK, type) };
    default:
      throw new HllFormatError(7, 'mode', `is ${modeByte}: unknown mode`);
  }
}

function readList(view: DataView): Uint32Array {
  requirePreamble(view, preambleInts.list);
  const count = view.getUint8(6);
  check(count <= longestList, 6, 'coupon count', `is ${count}, over ${longestList}`);
  const empty = hasFlag(view, flags.empty);
  check(empty === (count === 0), 5, 'flags', `say ${empty ? 'empty' : 'not empty'} of ${count} coupons`);
  return readCoupons(view, 8, count, isCompact(view) ? count : listInts);
}

function readSet(view: DataView, lgK: number): Uint32Array {
  requirePreamble(view, preambleInts.set);
  check(!hasFlag(view, flags.empty), 5, 'flags', 'say empty of a SET');
  check(view.byteLength >= 12, view.byteLength, 'coupon count', 'is missing');
  const count = view.getUint32(8, true);
  const limit = maxCoupons(lgK);
  check(count > 0 && count <= limit, 8, 'coupon count', `is ${count}, not from 1 to ${limit}`);
  if (isCompact(view)) return readCoupons(view, 12, count, count);
  const lgInts = view.getUint8(4);
  check(
    lgInts >= lgSmallestSet && lgInts <= lgK - 3,
    4,
    'lgArr',
    `is ${lgInts}, not a valid table size of a SET`,
  );
  return readCoupons(view, 12, count, 2 ** lgInts);
}

// Reads the rest of the bytes, `cells` ints: `count` of them are distinct coupons, the others 0.
function readCoupons(view: DataView, at: number, count: number, cells: number): Uint32Array {
  requireLength(view, at + 4 * cells, 'coupons');
  const coupons = new Uint32Array(count);
  let found = 0;
  for (let cell = 0; cell < cells; cell++) {
    const coupon = view.getUint32(at + 4 * cell, true);
    if (coupon === 0 && cells > count) continue;
    check(coupon >>> 26 > 0, at + 4 * cell, 'coupon', `is ${coupon}: its value part is 0`);
    check(found < count, at + 4 * cell, 'coupon', `is one more than the ${count} that are declared`);
    coupons[found++] = coupon;
  }
  check(found === count, at, 'coupons', `are ${found}, not the ${count} that are declared`);
  check(new Set(coupons).size === count, at, 'coupons', 'repeat');
  return coupons;
}

function readHll(view: DataView, bytes: Uint8Array, lgK: number, type: HllType) {
  requirePreamble(view, preambleInts.hll);
  check(
    view.byteLength >= registersAt,
    view.byteLength,
    'preamble',
    `is cut short: it has ${registersAt} bytes`,
  );
  const registers = readRegisters(view, bytes, lgK, type);
  if (hasFlag(view, flags.outOfOrder)) return { registers, hip: undefined };
  const hip = view.getFloat64(8, true);
  check(hip >= 0 && hip < Infinity, 8, 'HIP accumulator', `is ${hip}`);
  return { registers, hip };
}

function readRegisters(view: DataView, bytes: Uint8Array, lgK: number, type: HllType): Uint8Array {
  const end = registersAt + registerBytes(type, lgK);
  if (type === 'HLL_4') return readHll4(view, bytes, lgK, end);
  requireLength(view, end, 'registers');
  if (type === 'HLL_6') return unpackSixes(bytes.subarray(registersAt, end), 2 ** lgK);
  const registers = new Uint8Array(bytes.subarray(registersAt, end)); // not slice(), which returns a view for a Buffer
  const slot = registers.findIndex((value) => value > 63);
  check(slot < 0, registersAt + slot, 'register', `is ${registers[slot]}, over 63`);
  return registers;
}

function readHll4(view: DataView, bytes: Uint8Array, lgK: number, tailAt: number): Uint8Array {
  const curMin = view.getUint8(6);
  const count = view.getUint32(36, true);
  const lgTable = view.getUint8(4);
  check(curMin <= 63, 6, 'curMin', `is ${curMin}, over 63`);
  check(count <= 2 ** lgK, 36, 'exception count', `is ${count}, more than registers`);
  let cells = count;
  if (!isCompact(view)) {
    check(lgTable <= lgK + 1, 4, 'lgArr', `is ${lgTable}, not a valid size of an exception table`);
    cells = 2 ** (lgTable === 0 ? lgFirstExceptions(lgK) : lgTable);
  }
  requireLength(view, tailAt + 4 * cells, 'exceptions');
  const registers = unpackNibbles(bytes.subarray(registersAt, tailAt), curMin);
  let marked = 0;
  for (let slot = 0; slot < registers.length; slot++) {
    const value = registers[slot];
    if (value - curMin === exceptionNibble) {
      registers[slot] = unread;
      marked++;
    } else if (value > 63) {
      throw new HllFormatError(registersAt + (slot >> 1), 'register', `is ${value}, over 63`);
    }
  }
  check(
    marked === count,
    36,
    'exception count',
    `is ${count}, but ${marked} registers are marked as exceptions`,
  );
  let found = 0;
  for (let cell = 0; cell < cells; cell++) {
    const at = tailAt + 4 * cell;
    const pair = view.getUint32(at, true);
    if (pair === 0 && cells > count) continue;
    const slot = pair & 0x3ffffff;
    const value = pair >>> 26;
    check(
      registers[slot] === unread,
      at,
      'exception',
      `is for register ${slot}, which is none or has one already`,
    );
    check(value - curMin >= exceptionNibble, at, 'exception', `is ${value}, which a nibble holds`);
    registers[slot] = value;
    found++;
  }
  check(found === count, tailAt, 'exceptions', `are ${found}, not the ${count} that are declared`);
  return registers;
}

// Marks a register whose exception has not been read yet; no valid register is as large.
const unread = 0xff;

function unpackSixes(packed: Uint8Array, k: number): Uint8Array {
  const registers = new Uint8Array(k);
  for (let from = 0, to = 0; to < k; from += 3, to += 4) {
    const word = packed[from] | (packed[from + 1] << 8) | (packed[from + 2] << 16);
    registers[to] = word & 63;
    registers[to + 1] = (word >>> 6) & 63;
    registers[to + 2] = (word >>> 12) & 63;
    registers[to + 3] = word >>> 18;
  }
  return registers;
}

function hasFlag(view: DataView, flag: number): boolean {
  return (view.getUint8(5) & flag) !== 0;
}

function isCompact(view: DataView): boolean {
  return hasFlag(view, flags.compact);
}

function requirePreamble(view: DataView, ints: number): void {
  const found = view.getUint8(0);
  check(found === ints, 0, 'preamble ints', `is ${found}; the mode at byte 7 has ${ints}`);
}

function requireLength(view: DataView, expected: number, field: string): void {
  const { byteLength } = view;
  if (byteLength < expected) {
    throw new HllFormatError(byteLength, field, `end: ${byteLength} bytes instead of ${expected}`);
  }
  if (byteLength > expected) {
    throw new HllFormatError(expected, 'end', `is followed by ${byteLength - expected} more bytes`);
  }
}

function check(holds: boolean, offset: number, field: string, problem: string): void {
  if (!holds) throw new HllFormatError(offset, field, problem);
}
