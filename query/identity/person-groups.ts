/**
 * Persons that edges join into groups: union-find by size, in numbers. A link is never changed once it is made, and knows
 * which link in a row it was, so the groups can be asked for as they were after any number of links (partially persistent
 * union-find: without path compression a search takes log2(persons) steps at most, and mostly one). So an answer that
 * takes a while keeps to its own cut, however many edges come in meanwhile.
 */
import { grown } from '../../lib/grown.js';
import { SplitTable } from '../../lib/hash/split-table.js';

const none = 2 ** 32 - 1;
/** Bits of the filter for each person, at least: at most one coupon in eight is looked up in vain. */
const filterBits = 8;

export class PersonGroups {
  #count = 0;
  #links = 0;
  #coupons = new Uint32Array(64);
  #parents = new Uint32Array(64);
  /** Two words a person, to be found in one look: which link gave it its parent (`none` for roots), and its mark. */
  #nodes = new Uint32Array(128);
  /** Persons in the groups of roots. */
  #sizes = new Uint32Array(64);
  /** The last person before with the same coupon, or `none`. */
  #sameCoupon = new Uint32Array(64);
  /** The last person with a coupon. */
  readonly #ofCoupon = new SplitTable();
  /** A bit for the address of each coupon: small enough to stay near, and most coupons that are asked for are not here. */
  #filter = new Uint32Array(16);
  #round = 0;

  /** Persons are numbered from 0. */
  get count(): number {
    return this.#count;
  }

  /** Links made: with each of them there is one group less. */
  get links(): number {
    return this.#links;
  }

  /** Of all persons by number: more of them change nothing in the array. */
  get coupons(): Uint32Array {
    return this.#coupons.subarray(0, this.#count);
  }

  /** A new person, in a group of its own. Returns its number. */
  add(coupon: number): number {
    const person = this.#count++;
    if (person === this.#coupons.length) {
      this.#coupons = grown(this.#coupons);
      this.#parents = grown(this.#parents);
      this.#nodes = grown(this.#nodes);
      this.#sizes = grown(this.#sizes);
      this.#sameCoupon = grown(this.#sameCoupon);
    }
    this.#coupons[person] = coupon;
    this.#nodes[2 * person] = none;
    this.#sizes[person] = 1;
    const before = this.#ofCoupon.set(0, coupon | 0, person);
    this.#sameCoupon[person] = before < 0 ? none : before;
    this.#addToFilter(coupon);
    return person;
  }

  join(a: number, b: number): void {
    const [rootA, rootB] = [this.rootOf(a, this.#links), this.rootOf(b, this.#links)];
    if (rootA === rootB) return;
    const [sizeA, sizeB] = [this.#sizes[rootA] ?? 0, this.#sizes[rootB] ?? 0];
    const [child, parent] = sizeA < sizeB ? [rootA, rootB] : [rootB, rootA];
    this.#parents[child] = parent;
    this.#nodes[2 * child] = this.#links++;
    this.#sizes[parent] = sizeA + sizeB;
  }

  /** Stands for the group of a person as it was after so many links. */
  rootOf(person: number, links: number): number {
    const nodes = this.#nodes;
    let at = person;
    while ((nodes[2 * at] ?? none) < links) at = this.#parents[at] ?? at;
    return at;
  }

  /** Takes the marks off all groups. */
  unmark(): void {
    if (++this.#round < 2 ** 32) return;
    for (let person = 0; person < this.#count; person++) this.#nodes[2 * person + 1] = 0;
    this.#round = 1;
  }

  /** Marks the group of a person as it was after so many links. False when it was marked. */
  mark(person: number, links: number): boolean {
    const at = 2 * this.rootOf(person, links) + 1;
    if (this.#nodes[at] === this.#round) return false;
    this.#nodes[at] = this.#round;
    return true;
  }

  /** The last person below `end` with this coupon, -1 for none. */
  lastWith(coupon: number, end: number): number {
    const word = this.#filter[(coupon >>> 5) & (this.#filter.length - 1)] ?? 0;
    if (((word >>> (coupon & 31)) & 1) === 0) return -1;
    let person = this.#ofCoupon.get(0, coupon | 0);
    while (person >= end) person = this.lastBefore(person);
    return person;
  }

  /** The one before it with the same coupon, -1 for none. */
  lastBefore(person: number): number {
    const before = this.#sameCoupon[person] ?? none;
    return before === none ? -1 : before;
  }

  #addToFilter(coupon: number): void {
    if (this.#count * filterBits > 32 * this.#filter.length) {
      this.#filter = new Uint32Array(2 * this.#filter.length);
      for (const each of this.coupons) this.#setBit(each);
    }
    this.#setBit(coupon);
  }

  #setBit(coupon: number): void {
    const word = (coupon >>> 5) & (this.#filter.length - 1);
    this.#filter[word] = (this.#filter[word] ?? 0) | (1 << (coupon & 31));
  }
}
