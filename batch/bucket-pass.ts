/** The streaming pass that turns sorted (subject, hour, coupon) rows into blocks of cells.dat, one subject at a time. */
import { BlockBuilder, type Block } from '../serving/block-builder.js';

export interface BucketTotals {
  subjects: number;
  pageviews: number;
}

/** Takes rows in ascending order of (subject, hour, coupon); a row is one pageview. */
export class BucketPass {
  readonly totals: BucketTotals = { subjects: 0, pageviews: 0 };
  readonly #builder: BlockBuilder;
  readonly #emit: (subject: number, block: Block) => void;
  #coupons = new Uint32Array(1024);
  #distinct = 0;
  #pageviews = 0;
  #subject = -1;
  #hour = -1;

  constructor(lgK: number, emit: (subject: number, block: Block) => void) {
    this.#builder = new BlockBuilder(lgK);
    this.#emit = emit;
  }

  push(subject: number, hour: number, coupon: number): void {
    if (subject !== this.#subject) {
      this.#endSubject();
      this.#subject = subject;
      this.#hour = hour;
    } else if (hour !== this.#hour) {
      this.#endHour();
      this.#hour = hour;
    }
    this.#pageviews++;
    if (this.#distinct > 0 && this.#coupons[this.#distinct - 1] === coupon) return;
    if (this.#distinct === this.#coupons.length) this.#grow();
    this.#coupons[this.#distinct++] = coupon;
  }

  /** After the last row. */
  finish(): BucketTotals {
    this.#endSubject();
    return this.totals;
  }

  #endSubject(): void {
    if (this.#subject < 0) return;
    this.#endHour();
    const block = this.#builder.finish();
    this.totals.subjects++;
    this.totals.pageviews += block.pageviews;
    this.#emit(this.#subject, block);
    this.#subject = -1;
  }

  #endHour(): void {
    this.#builder.hour(this.#hour, this.#pageviews, this.#coupons, 0, this.#distinct);
    this.#distinct = 0;
    this.#pageviews = 0;
  }

  #grow(): void {
    const grown = new Uint32Array(2 * this.#coupons.length);
    grown.set(this.#coupons);
    this.#coupons = grown;
  }
}
