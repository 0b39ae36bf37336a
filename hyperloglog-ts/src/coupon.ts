// Computes the coupons of values. A coupon is all that a sketch knows of a value: 32 bits of its MurmurHash3 x64-128
// (seed 9001), 26 as address and 6 as value, `value << 26 | address`. The hashed bytes are those of Apache DataSketches
// in Java and C++, so equal values have equal coupons in every language: a string is hashed as UTF-8, an integer as 64
// bits little-endian, and bytes unchanged.
import { HllError } from './errors.js';
import { createKernels, reservedBytes, slackBytes } from './kernels.js';
import type { Backend, Kernels } from './kernels.js';
import { Murmur3 } from './murmur3.js';

/** A value that can be counted. A number must be a safe integer, and equals the same integer given as a bigint. */
export type HllValue = string | number | bigint | Uint8Array;

/**
 * Returns the coupon of a value as an unsigned 32-bit integer; 0, which is not a coupon, for an empty string or no
 * bytes: the format does not count those. An unpaired surrogate counts as U+FFFD. Throws HLL_BAD_VALUE on a number that
 * is not a safe integer, on a bigint that fits neither a signed nor an unsigned 64-bit integer, and on a value of any
 * other type.
 */
export function coupon(value: HllValue): number {
  return sharedHasher().coupon(value);
}

/**
 * Returns the coupons of values[from, to) in order, the same as `coupon` gives one by one, but computed in batches.
 * With `out` they are written there, from its start (it must be long enough), and `out` is returned; otherwise to a new
 * array. Throws HLL_BAD_VALUE, naming its index, on a value that is not a string, and on `values` of another kind.
 */
export function coupons(values: BulkValues, out?: Uint32Array, from?: number, to?: number): Uint32Array {
  return sharedHasher().coupons(values, out, from, to);
}

/**
 * Returns the coupons of strings that are already UTF-8: string i is bytes[offsets[i], offsets[i + 1]), as in Arrow's
 * columns, so n strings have n + 1 offsets. Allocates nothing if `out` is given. The bytes are hashed without checking
 * that they are UTF-8. Throws HLL_BAD_ARGUMENT if the offsets decrease or are outside the bytes.
 */
export function couponsOfUtf8(bytes: Uint8Array, offsets: Offsets, out?: Uint32Array): Uint32Array {
  return sharedHasher().couponsOfUtf8(bytes, offsets, out);
}

export type BulkValues = readonly string[] | BigInt64Array | BigUint64Array;
export type Offsets = Uint32Array | Int32Array;

const batchSize = 2048;
const dataBytes = 1 << 17;
const longestLoopedString = 24;

// Layout of the hasher's memory.
const endsAt = reservedBytes;
const couponsAt = endsAt + 4 * (batchSize + 1) + slackBytes;
const dataAt = couponsAt + 4 * batchSize + slackBytes;
const memoryBytes = dataAt + dataBytes + slackBytes;

/**
 * Hashes values in its own memory. The functions above share one hasher; results do not depend on which one is used.
 */
export class CouponHasher {
  readonly #kernels: Kernels;
  readonly #ends: Uint32Array;
  readonly #coupons: Uint32Array;
  readonly #data: Uint8Array;
  readonly #encoder = new TextEncoder();

  constructor(backend?: Backend) {
    this.#kernels = createKernels(memoryBytes, backend);
    const { buffer } = this.#kernels.bytes;
    this.#ends = new Uint32Array(buffer, endsAt, batchSize + 1);
    this.#coupons = new Uint32Array(buffer, couponsAt, batchSize);
    this.#data = new Uint8Array(buffer, dataAt, dataBytes);
  }

  coupon(value: HllValue): number {
    if (typeof value === 'string') return this.#couponOfString(value);
    if (typeof value === 'number') return this.#couponOfNumber(value);
    if (typeof value === 'bigint') return this.#couponOfBigint(value);
    if (!(value instanceof Uint8Array)) {
      throw badValue(value, 'it is not a string, number, bigint or Uint8Array');
    }
    if (value.length > dataBytes) return new Murmur3().couponOfBytes(value, 0, value.length);
    this.#data.set(value);
    return this.#kernels.couponOfBytes(dataAt, value.length) >>> 0;
  }

  coupons(values: BulkValues, out?: Uint32Array, from = 0, to = values.length): Uint32Array {
    requireBulkValues(values);
    requireRange(values, from, to);
    const result = out ?? new Uint32Array(to - from);
    requireRoom(result, to - from);
    if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
      this.#couponsOfInt64s(values.subarray(from, to), result);
    } else {
      this.#couponsOfStrings(values, result, from, to);
    }
    return result;
  }

  couponsOfUtf8(bytes: Uint8Array, offsets: Offsets, out?: Uint32Array): Uint32Array {
    const count = Math.max(0, offsets.length - 1);
    const result = out ?? new Uint32Array(count);
    requireRoom(result, count);
    requireOffsets(bytes, offsets);
    for (let row = 0; row < count;) {
      const base = offsets[row];
      let end = row;
      while (end < count && end - row < batchSize && offsets[end + 1] - base <= dataBytes) {
        end++;
        this.#ends[end - row] = offsets[end] - base;
      }
      if (end === row) {
        result[row] = new Murmur3().couponOfBytes(bytes, base, offsets[row + 1]);
        row++;
        continue;
      }
      this.#data.set(bytes.subarray(base, offsets[end]));
      this.#hashSpans(end - row, result, row);
      row = end;
    }
    return result;
  }

  #couponsOfStrings(strings: readonly string[], out: Uint32Array, from: number, to: number): void {
    let first = from;
    let used = 0;
    for (let i = from; i < to; i++) {
      const string = strings[i];
      if (typeof string !== 'string') {
        throw badValue(string, `values[${i}] is not a string`);
      }
      if (i - first === batchSize || used + 3 * string.length > dataBytes) {
        this.#hashSpans(i - first, out, first - from);
        first = i;
        used = 0;
      }
      if (3 * string.length > dataBytes) {
        out[i - from] = this.#couponOfString(string);
        first = i + 1;
      } else {
        used += this.#write(string, used);
        this.#ends[i - first + 1] = used;
      }
    }
    this.#hashSpans(to - first, out, first - from);
  }

  // Hashes the spans in the data area into out[at, at + count).
  #hashSpans(count: number, out: Uint32Array, at: number): void {
    if (count === 0) return;
    this.#kernels.couponsOfSpans(dataAt, endsAt, couponsAt, count);
    out.set(count === batchSize ? this.#coupons : this.#coupons.subarray(0, count), at);
  }

  #couponsOfInt64s(values: BigInt64Array | BigUint64Array, out: Uint32Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let from = 0; from < values.length; from += batchSize) {
      const count = Math.min(batchSize, values.length - from);
      this.#data.set(bytes.subarray(8 * from, 8 * (from + count)));
      this.#kernels.couponsOfInt64s(dataAt, couponsAt, count);
      out.set(count === batchSize ? this.#coupons : this.#coupons.subarray(0, count), from);
    }
  }

  #couponOfString(value: string): number {
    if (3 * value.length > dataBytes) {
      const bytes = this.#encoder.encode(value);
      return new Murmur3().couponOfBytes(bytes, 0, bytes.length);
    }
    return this.#kernels.couponOfBytes(dataAt, this.#write(value, 0)) >>> 0;
  }

  // Writes a string as UTF-8 into the data area, which must have room for three bytes per code unit, and returns its
  // length in bytes. Short ASCII strings, as ids are, are copied in a loop: it takes a third of the time of a call to
  // the encoder.
  #write(value: string, at: number): number {
    const data = this.#data;
    const { length } = value;
    if (length > longestLoopedString) return this.#encode(value, at);
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return this.#encode(value, at);
      data[at + i] = unit;
    }
    return length;
  }

  #encode(value: string, at: number): number {
    return this.#encoder.encodeInto(value, this.#data.subarray(at)).written;
  }

  #couponOfNumber(value: number): number {
    if (!Number.isSafeInteger(value)) {
      throw badValue(value, 'it is not a safe integer');
    }
    return this.#kernels.couponOfInt64(value | 0, Math.floor(value / 0x1_0000_0000)) >>> 0;
  }

  #couponOfBigint(value: bigint): number {
    if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) {
      throw badValue(value, 'it does not fit into 64 bits');
    }
    const high = Number(BigInt.asIntN(32, value >> 32n));
    return this.#kernels.couponOfInt64(Number(BigInt.asIntN(32, value)), high) >>> 0;
  }
}

/**
 * Throws HLL_BAD_VALUE unless these values can be counted in bulk. The strings themselves are checked when they are
 * hashed.
 */
export function requireBulkValues(values: BulkValues): void {
  if (Array.isArray(values) || values instanceof BigInt64Array || values instanceof BigUint64Array) return;
  throw badValue(values, 'in bulk it must be a string[], BigInt64Array or BigUint64Array');
}

function badValue(value: unknown, why: string): HllError {
  const isShort = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  const name = isShort ? `the ${typeof value} ${value}` : Object.prototype.toString.call(value);
  return new HllError('HLL_BAD_VALUE', `cannot count ${name}: ${why}`);
}

function requireRoom(out: Uint32Array, count: number): void {
  if (out.length < count) {
    throw new HllError('HLL_BAD_ARGUMENT', `out holds ${out.length} coupons, ${count} are to be written`);
  }
}

function requireRange(values: BulkValues, from: number, to: number): void {
  if (from >= 0 && from <= to && to <= values.length) return;
  throw new HllError('HLL_BAD_ARGUMENT', `[from, to) is [${from}, ${to}), outside [0, ${values.length})`);
}

function requireOffsets(bytes: Uint8Array, offsets: Offsets): void {
  let previous = 0;
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i];
    if (offset < previous || offset > bytes.length) {
      const range = `${previous}..${bytes.length}`;
      throw new HllError('HLL_BAD_ARGUMENT', `offsets[${i}] is ${offset}, outside ${range}`);
    }
    previous = offset;
  }
}

let shared: CouponHasher | undefined;

// Created on first use. Its memory is scratch space: nothing in it outlives a call.
function sharedHasher(): CouponHasher {
  shared ??= new CouponHasher();
  return shared;
}
