/**
 * Unites the people of cells with a `LiveIdentity`. While the union has coupons, coupons are added unchanged and rewritten together at the end:
 * so each is looked up once, however many cells contain it. When there are too many, or registers come, those in the union are rewritten first,
 * and later ones before they are added.
 */
import { HllUnion, maxCoupons } from 'hyperloglog-ts';
import type { PeopleSink } from '../../facts/views/cell.js';
import type { Rewritten } from '../arrays/exposure.js';
import type { LiveIdentity } from './live-identity.js';

export class LivePeople implements PeopleSink, Rewritten {
  readonly union: HllUnion;
  readonly replaced: HllUnion;
  readonly kept: HllUnion;
  hasRegisters = false;
  unclear = 0;
  readonly #work: Uint32Array;
  readonly #limit: number;
  #identity: LiveIdentity | undefined;
  /** Whether coupons are rewritten before they are added. */
  #isEager = false;
  readonly #rewrite = (coupons: Uint32Array, count: number): boolean => {
    const done = this.#identity?.rewrite(coupons, count, {
      replaced: this.replaced,
      kept: this.union.mode === 'coupons' ? this.kept : undefined,
    });
    this.unclear += done?.unclear ?? 0;
    return done?.replaced ?? false;
  };

  /** @param union must be empty whenever `begin` is called */
  constructor(union: HllUnion) {
    const { lgK } = union;
    this.union = union;
    this.replaced = new HllUnion({ lgK });
    this.kept = new HllUnion({ lgK });
    this.#limit = maxCoupons(lgK);
    this.#work = new Uint32Array(this.#limit + 1);
  }

  begin(identity: LiveIdentity): void {
    this.#identity = identity;
    this.replaced.reset();
    this.kept.reset();
    this.hasRegisters = false;
    this.unclear = 0;
    this.#isEager = false;
  }

  addCoupons(coupons: Uint32Array, from = 0, to = coupons.length): void {
    if (this.#takesAsTheyAre(to - from)) {
      this.union.addCoupons(coupons, from, to);
      return;
    }
    for (let at = from; at < to; at += this.#work.length) {
      const part = coupons.subarray(at, Math.min(to, at + this.#work.length));
      this.#work.set(part);
      this.#rewrite(this.#work, part.length);
      this.union.addCoupons(this.#work, 0, part.length);
    }
  }

  addDifferences(bytes: Uint8Array, count: number): void {
    if (this.#takesAsTheyAre(count)) this.union.addDifferences(bytes, count);
    else this.union.addDifferences(bytes, count, this.#rewrite);
  }

  addRegisters(registers: Uint8Array): void {
    this.#toRegisters();
    this.union.addRegisters(registers);
  }

  addPacked(packed: Uint8Array): void {
    this.#toRegisters();
    this.union.addPacked(packed);
  }

  /** Call after adding, before reading the union. More may be added afterwards. */
  settle(): void {
    if (this.#isEager || this.union.mode === 'registers') return;
    const count = this.union.copyCoupons(this.#work);
    if (!this.#rewrite(this.#work, count)) return;
    this.union.reset();
    this.union.addCoupons(this.#work, 0, count);
  }

  #toRegisters(): void {
    this.settle();
    this.#isEager = true;
    this.hasRegisters = true;
  }

  /** Whether the union can take this many more coupons, not yet rewritten, and remain one of coupons. */
  #takesAsTheyAre(more: number): boolean {
    if (this.#isEager) return false;
    if (this.union.couponCount + more <= this.#limit) return true;
    this.settle();
    this.#isEager = this.union.couponCount + more > this.#limit;
    return !this.#isEager;
  }
}
