/**
 * The bytes of a cell: pageviews and sketch of one hour of one subject. All numbers little-endian.
 *
 *   0      form: 1 coupons, 2 registers
 *   2..4   length of the URL at the end; 0 when the key names it
 *   4..8   CRC-32 of everything from byte 8 on
 *   8..16  pageviews, float64
 *   16..   coupons, uint32 each, ascending; or 2^lgK registers
 *   ...    the URL
 *
 * The checksum is there because LMDB has none: a store that a failing disk or a careless hand changed shows itself as
 * damaged, and is made again from the log, instead of counting wrong.
 */
import { crc32 } from 'node:zlib';
import { HllSketch } from 'hyperloglog-ts';
import { SwaError } from '../../lib/errors.js';
import type { SketchView } from '../../lib/views/view.js';

const headerBytes = 16;
const couponsForm = 1;
const registersForm = 2;

/** One hour of one subject in memory. */
export interface Cell {
  pageviews: number;
  readonly sketch: HllSketch;
}

export function emptyCell(lgK: number): Cell {
  return { pageviews: 0, sketch: new HllSketch({ lgK }) };
}

/**
 * Encodes cells one after another into blocks of memory. What it returns stays untouched until `reset`, so a whole
 * transaction's values may be held until its commit.
 */
export class CellEncoder {
  #block = new ArrayBuffer(1 << 20);
  #used = 0;

  /** @param url stored behind the sketch; '' when the key names it */
  encode(cell: Cell, url: string): Uint8Array {
    const registers = cell.sketch.registers();
    return registers === undefined
      ? this.#coupons(cell, cell.sketch.coupons() ?? new Uint32Array(0), url)
      : this.#seal(this.#begin(cell, registersForm, registers, url));
  }

  /** Gives all memory back: nothing returned so far may be used any more. */
  reset(): void {
    this.#used = 0;
  }

  #coupons(cell: Cell, coupons: Uint32Array, url: string): Uint8Array {
    const bytes = new Uint8Array(coupons.buffer, coupons.byteOffset, coupons.byteLength);
    return this.#seal(this.#begin(cell, couponsForm, bytes, url));
  }

  #begin(cell: Cell, form: number, sketch: Uint8Array, url: string): Uint8Array {
    const bytes = this.#take(headerBytes + sketch.length + url.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    bytes[0] = form;
    bytes[1] = 0;
    view.setUint16(2, url.length, true);
    view.setFloat64(8, cell.pageviews, true);
    bytes.set(sketch, headerBytes);
    if (url !== '')
      Buffer.from(bytes.buffer, bytes.byteOffset + headerBytes + sketch.length).write(url, 'latin1');
    return bytes;
  }

  #seal(bytes: Uint8Array): Uint8Array {
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, crc32(bytes.subarray(8)), true);
    return bytes;
  }

  #take(sizeBytes: number): Uint8Array {
    if (this.#used + sizeBytes > this.#block.byteLength) {
      this.#block = new ArrayBuffer(Math.max(1 << 20, sizeBytes));
      this.#used = 0;
    }
    const bytes = new Uint8Array(this.#block, this.#used, sizeBytes);
    this.#used = (this.#used + sizeBytes + 7) & ~7;
    return bytes;
  }
}

/** A stored cell, checked. The sketch's memory is that of `bytes`. */
export interface StoredCell {
  readonly pageviews: number;
  readonly sketch: SketchView;
  /** '' when the key names the page. */
  readonly url: string;
}

/** Throws `view.corrupt` when the bytes are not what was written. */
export function decodeCell(stored: Uint8Array): StoredCell {
  const bytes = stored.byteOffset % 4 === 0 ? stored : stored.slice(); // a Uint32Array needs aligned memory
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < headerBytes || view.getUint32(4, true) !== crc32(bytes.subarray(8))) throw damaged();
  const sketchEnd = bytes.length - view.getUint16(2, true);
  const sketchBytes = sketchEnd - headerBytes;
  const url = Buffer.from(bytes.buffer, bytes.byteOffset + sketchEnd, bytes.length - sketchEnd).toString(
    'latin1',
  );
  const pageviews = view.getFloat64(8, true);
  if (bytes[0] === registersForm) {
    return {
      pageviews,
      sketch: { kind: 'registers', registers: bytes.subarray(headerBytes, sketchEnd) },
      url,
    };
  }
  if (bytes[0] !== couponsForm || sketchBytes % 4 !== 0) throw damaged();
  const coupons = new Uint32Array(bytes.buffer, bytes.byteOffset + headerBytes, sketchBytes / 4);
  return { pageviews, sketch: { kind: 'coupons', coupons }, url };
}

/** The pageviews of a stored cell, and the URL if the key does not name it; the rest is neither read nor checked. */
export function decodePageviews(bytes: Uint8Array): Pick<StoredCell, 'pageviews' | 'url'> {
  if (bytes.length < headerBytes) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const urlAt = bytes.length - view.getUint16(2, true);
  const url = Buffer.from(bytes.buffer, bytes.byteOffset + urlAt, bytes.length - urlAt).toString('latin1');
  return { pageviews: view.getFloat64(8, true), url };
}

/** A stored cell, to be counted on. */
export function reviveCell(stored: Uint8Array, lgK: number): Cell {
  const { pageviews, sketch } = decodeCell(stored);
  return { pageviews, sketch: sketchOf(sketch, lgK) };
}

export function sketchOf(view: SketchView, lgK: number): HllSketch {
  return view.kind === 'coupons'
    ? HllSketch.fromCoupons(view.coupons, lgK)
    : HllSketch.fromRegisters(view.registers);
}

function damaged(): SwaError {
  return new SwaError('view.corrupt', 'a cell of the realtime view is damaged', {
    retryable: true,
    hint: 'the speed layer makes the view again from the log',
  });
}
