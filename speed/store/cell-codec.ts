/**
 * The encoding of a cell: pageviews and sketch of one bucket of one subject. Little-endian words of 4 bytes:
 *
 *   word 0     form (1 coupons, 2 registers) in the low half, length of the URL at the end in the high half
 *   word 1     checksum of all words from 2 on
 *   word 2, 3  pageviews, float64
 *   word 4...  coupons, ascending; or 2^lgK registers, one byte each
 *   ...        the URL if the key has only its hash, padded with zeros to whole words
 *
 * The cells have a checksum because LMDB has none: a store that was changed by a failing disk or by accident is detected as damaged and rebuilt
 * from the log, instead of giving wrong counts. Every step of the checksum is a bijection, so a change within one word is always detected.
 */
import { HllSketch } from 'hyperloglog-ts';
import { SwaError } from '../../lib/errors/errors.js';
import type { SketchView } from '../../facts/views/view.js';

export const couponsForm = 1;
export const registersForm = 2;
export const sketchWord = 4;

/** A decoded cell whose checksum matched. Its sketch shares the memory it was decoded from. */
export interface StoredCell {
  readonly pageviews: number;
  readonly sketch: SketchView;
}

/** Throws `realtime.corrupt` if the checksum does not match. */
export function decodeCell(stored: Uint8Array): StoredCell {
  const bytes = stored.byteOffset % 4 === 0 ? stored : stored.slice(); // words need aligned memory
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  const head = words[0] ?? 0;
  const end = words.length - Math.ceil((head >>> 16) / 4);
  const sound =
    bytes.length % 4 === 0 && end >= sketchWord && words[1] === checksumOf(words, 2, words.length);
  if (!sound) throw damaged();
  const pageviews = decodePageviews(bytes);
  if ((head & 0xffff) === couponsForm) {
    return { pageviews, sketch: { kind: 'coupons', coupons: words.subarray(sketchWord, end) } };
  }
  const registers = bytes.subarray(4 * sketchWord, 4 * end);
  return { pageviews, sketch: { kind: 'registers', registers } };
}

/** Pageviews of a stored cell, without reading or checking the rest. */
export function decodePageviews(bytes: Uint8Array): number {
  if (bytes.length < 4 * sketchWord) throw damaged();
  for (let i = 0; i < 8; i++) doubleBytes[i] = bytes[8 + i] ?? 0;
  return doubleView.getFloat64(0, true);
}

/** Reused for all cells: creating one per cell took a fifth of the time of a long list. */
const doubleBytes = new Uint8Array(8);
const doubleView = new DataView(doubleBytes.buffer);

/** URL of a stored cell whose key has only its hash, without reading or checking the rest. */
export function decodeUrl(bytes: Uint8Array): string {
  if (bytes.length < 4 * sketchWord) throw damaged();
  const length = (bytes[2] ?? 0) | ((bytes[3] ?? 0) << 8);
  const urlAt = bytes.length - 4 * Math.ceil(length / 4);
  return Buffer.from(bytes.buffer, bytes.byteOffset + urlAt, length).toString('latin1');
}

/** Copies into a sketch of its own. */
export function sketchOf(view: SketchView, lgK: number): HllSketch {
  return view.kind === 'coupons'
    ? HllSketch.fromCoupons(view.coupons, lgK)
    : HllSketch.fromRegisters(view.registers);
}

/** Checksum of the words [from, to). */
export function checksumOf(words: Uint32Array, from: number, to: number): number {
  let sum = 0x3c6ef372 ^ (to - from);
  for (let i = from; i < to; i++) {
    sum = Math.imul(sum ^ (words[i] ?? 0), 0x2c1b3c6d);
    sum ^= sum >>> 15;
  }
  return sum >>> 0;
}

function damaged(): SwaError {
  return new SwaError('realtime.corrupt', 'a cell of the realtime view is damaged', {
    retryable: true,
    hint: 'the speed layer rebuilds the view from the log',
  });
}
