/**
 * Adds pageviews to stored cells, from bytes to bytes, without a sketch object. While a cell's people are few it is a sorted list, and the new
 * coupons are merged into it, as in nearly every cell. Larger cells are merged by one reused HllUnion of the sketch library.
 */
import { HllUnion, maxCoupons } from 'hyperloglog-ts';
import { SwaError } from '../../lib/errors/errors.js';
import type { SketchView } from '../../facts/views/view.js';
import {
  checksumOf,
  couponsForm,
  decodeCell,
  registersForm,
  sketchWord,
  type StoredCell,
} from './cell-codec.js';

const maxUrlBytes = 2_048;
const noCell: StoredCell = { pageviews: 0, sketch: { kind: 'coupons', coupons: new Uint32Array(0) } };

/** Writes each cell into the same memory. */
export class CellMerger {
  readonly #maxCoupons: number;
  readonly #union: HllUnion;
  readonly #bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;

  constructor(lgK: number) {
    this.#maxCoupons = maxCoupons(lgK);
    this.#union = new HllUnion({ lgK });
    const memory = new ArrayBuffer(4 * sketchWord + Math.max(2 ** lgK, 4 * this.#maxCoupons) + maxUrlBytes);
    this.#bytes = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
    this.#doubles = new Float64Array(memory);
  }

  /**
   * The cell with one more pageview for each of these coupons, which are sorted in place. Valid until the next call. Throws `realtime.corrupt`
   * if the stored cell is damaged.
   *
   * @param stored undefined for a new cell
   * @param url stored after the sketch; '' if the key contains it
   */
  merge(stored: Uint8Array | undefined, coupons: Uint32Array, url: string): Buffer {
    const { pageviews, sketch } = stored === undefined ? noCell : decodeCell(stored);
    const words = this.#words;
    let form = couponsForm;
    let end = sketch.kind === 'coupons' ? this.#mergeFew(sketch.coupons, coupons) : tooMany;
    if (end === tooMany) {
      form = registersForm;
      end = this.#mergeMany(sketch, coupons);
    }
    this.#doubles[1] = pageviews + coupons.length;
    words[0] = (url.length << 16) | form;
    if (url !== '') {
      const from = end;
      end += Math.ceil(url.length / 4);
      words[end - 1] = 0;
      this.#bytes.write(url, 4 * from, 'latin1');
    }
    words[1] = checksumOf(words, 2, end);
    return this.#bytes.subarray(0, 4 * end);
  }

  /** Merges two lists, of which `stored` is sorted and without duplicates. Returns the end of the list, or `tooMany`. */
  #mergeFew(stored: Uint32Array, added: Uint32Array): number {
    sort(added);
    const words = this.#words;
    const limit = sketchWord + this.#maxCoupons;
    let end = sketchWord;
    let last = 0; // no coupon is 0
    let i = 0;
    let j = 0;
    while (i < stored.length || j < added.length) {
      const a = stored[i] ?? Infinity;
      const b = added[j] ?? Infinity;
      const coupon = Math.min(a, b);
      if (a <= b) i++;
      else j++;
      if (coupon === last) continue;
      if (end === limit) return tooMany;
      words[end++] = last = coupon;
    }
    return end;
  }

  #mergeMany(sketch: SketchView, added: Uint32Array): number {
    const union = this.#union.reset();
    if (sketch.kind === 'coupons') union.addCoupons(sketch.coupons);
    else union.addRegisters(sketch.registers);
    const registers = union.addCoupons(added).registers();
    if (registers === undefined) throw new SwaError('internal.invariant', 'too few people for registers');
    this.#bytes.set(registers, 4 * sketchWord);
    return sketchWord + registers.length / 4;
  }
}

const tooMany = -1;

/** Insertion sort for short lists, which most are. */
function sort(words: Uint32Array): void {
  if (words.length > 32) {
    words.sort();
    return;
  }
  for (let i = 1; i < words.length; i++) {
    const word = words[i] ?? 0;
    let j = i;
    for (; j > 0 && (words[j - 1] ?? 0) > word; j--) words[j] = words[j - 1] ?? 0;
    words[j] = word;
  }
}
