// The slow, obvious oracle for the byte format: reads every coupon or register from valid bytes one by one, bit by bit
// where needed, and checks nothing.

export interface NaiveParts {
  readonly lgK: number;
  /** Sorted; undefined for a sketch in registers mode. */
  readonly coupons?: Uint32Array;
  readonly registers?: Uint8Array;
}

export function readNaively(bytes: Uint8Array): NaiveParts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lgK = bytes[3] ?? 0;
  const mode = (bytes[7] ?? 0) & 3;
  if (mode < 2) {
    const coupons: number[] = [];
    for (let at = mode === 0 ? 8 : 12; at < bytes.length; at += 4) coupons.push(view.getUint32(at, true));
    return { lgK, coupons: Uint32Array.from(coupons.filter((coupon) => coupon !== 0)).toSorted() };
  }
  const width = [4, 6, 8][((bytes[7] ?? 0) >> 2) & 3] ?? 0;
  const curMin = bytes[6] ?? 0;
  const registers = Uint8Array.from({ length: 2 ** lgK }, (_, slot) => {
    const value = bitsAt(bytes, 40 * 8 + slot * width, width);
    if (width > 4) return value;
    return value < 15 ? value + curMin : exceptionOf(view, 40 + 2 ** lgK / 2, slot);
  });
  return { lgK, registers };
}

function bitsAt(bytes: Uint8Array, from: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) {
    const bit = from + i;
    value += (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) * 2 ** i;
  }
  return value;
}

function exceptionOf(view: DataView, from: number, slot: number): number {
  for (let at = from; at < view.byteLength; at += 4) {
    const pair = view.getUint32(at, true);
    if (pair !== 0 && (pair & 0x3ffffff) === slot) return pair >>> 26;
  }
  throw new Error(`no exception for register ${slot}`);
}
