/**
 * Persons that edges join into groups: union-find by size, in numbers. A link is never changed once it is made, and knows
 * which link in a row it was, so the groups can be asked for as they were after any number of links (partially persistent
 * union-find: without path compression a search takes log2(persons) steps at most, and mostly one). So an answer that
 * takes a while keeps to its own cut, however many edges come in meanwhile.
 */
import { grown } from '../../lib/memory/grown.js';
import { hashWords } from '../../lib/memory/keyed-hash.js';
import { SplitTable } from '../../lib/memory/split-table.js';

const none = 2 ** 32 - 1;
/** Persons to a word of the filter, at most. */
const personsInWord = 4;

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
  /** A coupon as the table's key: its first word. */
  readonly #key = new Int32Array(hashWords);
  /**
   * Most coupons that are asked for are not here, and a look at the table goes to far memory. So three bits of one word
   * stand for each coupon (a Bloom filter in blocks of a word): one in twenty is looked up in vain.
   */
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
    this.#key[0] = coupon;
    const before = this.#ofCoupon.set(this.#key, 0, person);
    this.#sameCoupon[person] = before < 0 ? none : before;
    this.#addToFilter(coupon);
    return person;
  }

  join(a: number, b: number): void {
    const [rootA, rootB] = [this.rootOf(a, this.#links), this.rootOf(b, this.#links)];
    if (rootA === rootB) return;
    const [sizeA, sizeB] = [this.#sizes[rootA], this.#sizes[rootB]];
    const [child, parent] = sizeA < sizeB ? [rootA, rootB] : [rootB, rootA];
    this.#parents[child] = parent;
    this.#nodes[2 * child] = this.#links++;
    this.#sizes[parent] = sizeA + sizeB;
  }

  /** Stands for the group of a person as it was after so many links. */
  rootOf(person: number, links: number): number {
    const nodes = this.#nodes;
    let at = person;
    while (nodes[2 * at] < links) at = this.#parents[at];
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

  /**
   * Moves those of the first `count` coupons that may be persons' to the start, and returns how many they are. A loop of its
   * own, with no branch: the look-ups go to memory far apart, and the processor can then have many of them under way.
   */
  sift(coupons: Uint32Array, count: number): number {
    const filter = this.#filter;
    const mask = filter.length - 1;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const coupon = coupons[i];
      const missing = filterBitsOf(coupon) & ~filter[coupon & mask];
      coupons[kept] = coupon;
      kept += ((missing | -missing) >>> 31) ^ 1;
    }
    return kept;
  }

  /** The last person below `end` with this coupon, -1 for none. */
  lastWith(coupon: number, end: number): number {
    this.#key[0] = coupon;
    let person = this.#ofCoupon.get(this.#key, 0);
    while (person >= end) person = this.lastBefore(person);
    return person;
  }

  /** The one before it with the same coupon, -1 for none. */
  lastBefore(person: number): number {
    const before = this.#sameCoupon[person];
    return before === none ? -1 : before;
  }

  #addToFilter(coupon: number): void {
    if (this.#count > personsInWord * this.#filter.length) {
      this.#filter = new Uint32Array(2 * this.#filter.length);
      for (let person = 0; person < this.#count; person++) this.#setBits(this.#coupons[person]);
    }
    this.#setBits(coupon);
  }

  #setBits(coupon: number): void {
    const word = coupon & (this.#filter.length - 1);
    this.#filter[word] |= filterBitsOf(coupon);
  }
}

/** Three of 32, as an int32. */
function filterBitsOf(coupon: number): number {
  const mixed = Math.imul(coupon, 0x9e3779b1);
  return (1 << (mixed >>> 27)) | (1 << ((mixed >>> 22) & 31)) | (1 << ((mixed >>> 17) & 31));
}
