/**
 * Persons joined into groups by edges: union-find by size, over numbers. Each step (two groups joined, a new doubt about a group) stores what it
 * replaced, so groups can be queried as of any number of steps (partially persistent union-find: without path compression a search takes at most
 * log2(persons) steps, and usually one). So a slow answer sees the state at its own cut, however many edges arrive meanwhile.
 *
 *   person   coupon, text of its id, parent and the step that set it, previous person with the same coupon, next of its group
 *   step     of a root: the group's least person in UTF-8 byte order, its persons, ids and doubts, and the root's previous step
 */
import { grown } from '../../lib/memory/grown.js';
import { hashWords } from '../../lib/memory/keyed-hash.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { SplitTable } from '../../lib/memory/split-table.js';
import type { RewriteIndex } from './rewrite-index.js';

const none = 2 ** 32 - 1;
/**
 * Maximum number of persons per word of the filter. Not a power of 2, so that it does not double at the same time as the arrays, which is as
 * slow.
 */
const personsInWord = 3;
/** The step number of a root without steps. */
const noStep = 0;
const stepWords = 5;

interface GroupNow {
  /** The person with the least id. */
  readonly least: number;
  readonly persons: number;
  readonly ids: number;
  /** Number of edges that may turn out not to join. */
  readonly doubts: number;
}

export class PersonGroups {
  #count = 0;
  #links = 0;
  #steps = 0;
  #doubts = 0;
  readonly #texts = new PackedTexts();
  #coupons = new Uint32Array(64);
  #parents = new Uint32Array(64);
  /** Two words per person, adjacent for locality: the step that set its parent (`none` for roots), and its mark. */
  #nodes = new Uint32Array(128);
  /** By root: its last step. */
  #lastStep = new Uint32Array(64);
  /** By person: number of ids. */
  #ids = new Uint32Array(64);
  /** Circular linked list of each group. */
  #next = new Uint32Array(64);
  /** By step, from 1. */
  #history = new Uint32Array(stepWords * 48); // sized so that it does not double at the same time as the others
  /** The previous person with the same coupon, or `none`. */
  #sameCoupon = new Uint32Array(64);
  /** The last person with a coupon. */
  readonly #ofCoupon = new SplitTable();
  /** Reused key for the table; the coupon is its first word. */
  readonly #key = new Int32Array(hashWords);
  /**
   * Most coupons that are looked up are not here, and a look-up in the table accesses distant memory. So a blocked Bloom filter comes first:
   * three bits of one word per coupon. About one look-up in twenty is a false positive.
   */
  #filter = new Uint32Array(16);
  #round = 0;
  /** The last two indexes that were built or are being built. */
  #watching: readonly RewriteIndex[] = [];

  /** Number of persons; they are numbered from 0. */
  get count(): number {
    return this.#count;
  }

  /** Number of links: each reduces the number of groups by one. */
  get links(): number {
    return this.#links;
  }

  /** Sum over all groups. */
  get doubts(): number {
    return this.#doubts;
  }

  /** Number of steps so far; pass it to queries to pin the state. */
  get steps(): number {
    return this.#steps;
  }

  /** Coupons by person. A snapshot: later persons do not change it. */
  get coupons(): Uint32Array {
    return this.#coupons.subarray(0, this.#count);
  }

  /**
   * Adds a person in a group of its own. Returns its number.
   *
   * @param id PersonID
   * @param ids number of ids of the person
   */
  add(id: string, coupon: number, ids = 1): number {
    const person = this.#count++;
    if (person === this.#coupons.length) this.#grow();
    this.#texts.add(`${id}\u001f`);
    this.#coupons[person] = coupon;
    this.#nodes[2 * person] = none;
    this.#ids[person] = ids;
    this.#next[person] = person;
    this.#key[0] = coupon;
    const before = this.#ofCoupon.set(this.#key, 0, person);
    this.#sameCoupon[person] = before < 0 ? none : before;
    this.#addToFilter(coupon);
    for (const index of this.#watching) index.mark(coupon);
    return person;
  }

  /** From now on, reports changes to the index. */
  watch(index: RewriteIndex): void {
    this.#watching = [...this.#watching, index].slice(-2);
  }

  join(a: number, b: number): void {
    const now = this.#steps;
    const [rootA, rootB] = [this.rootOf(a, now), this.rootOf(b, now)];
    if (rootA === rootB) return;
    const isSmaller = this.personsOf(rootA, now) < this.personsOf(rootB, now);
    const [child, parent] = isSmaller ? [rootA, rootB] : [rootB, rootA];
    const [ofChild, ofParent] = [this.leastOf(child, now), this.leastOf(parent, now)];
    for (const index of this.#watching) {
      index.mark(this.#coupons[ofChild]);
      index.mark(this.#coupons[ofParent]);
    }
    this.#parents[child] = parent;
    this.#nodes[2 * child] = this.#addStep(parent, {
      least: this.#isBelow(ofChild, ofParent) ? ofChild : ofParent,
      persons: this.personsOf(child, now) + this.personsOf(parent, now),
      ids: this.idsOf(child, now) + this.idsOf(parent, now),
      doubts: this.doubtsOf(child, now) + this.doubtsOf(parent, now),
    });
    const next = this.#next[child];
    this.#next[child] = this.#next[parent];
    this.#next[parent] = next;
    this.#links++;
  }

  /** Whether two persons are in one group now. */
  areJoined(a: number, b: number): boolean {
    return this.rootOf(a, this.#steps) === this.rootOf(b, this.#steps);
  }

  /** Adds a doubt to a person's group: one more of its edges may turn out not to join. */
  doubt(person: number): void {
    const now = this.#steps;
    const root = this.rootOf(person, now);
    this.#addStep(root, {
      least: this.leastOf(root, now),
      persons: this.personsOf(root, now),
      ids: this.idsOf(root, now),
      doubts: this.doubtsOf(root, now) + 1,
    });
    this.#doubts++;
  }

  /** The root of a person's group, as of `steps`. */
  rootOf(person: number, steps: number): number {
    const nodes = this.#nodes;
    let at = person;
    while (nodes[2 * at] <= steps) at = this.#parents[at];
    return at;
  }

  /** The person with the least id in a group, as of `steps`. */
  leastOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? root : this.#history[stepWords * step];
  }

  /** Number of persons of a group, as of `steps`. */
  personsOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? 1 : this.#history[stepWords * step + 1];
  }

  /** Number of ids of a group, as of `steps`. */
  idsOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? this.#ids[root] : this.#history[stepWords * step + 2];
  }

  /** Number of edges of a group that may turn out not to join, as of `steps`. */
  doubtsOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? 0 : this.#history[stepWords * step + 3];
  }

  /** PersonID of a person. */
  idOf(person: number): string {
    return this.#texts.text(person);
  }

  /** All persons of a group as of `steps`, in no particular order; yields -1 now and then, so that the caller can pause. */
  *membersOf(person: number, steps: number): Generator<number> {
    const root = this.rootOf(person, steps);
    const first = person;
    let at = person;
    let passed = 0;
    do {
      if (this.rootOf(at, steps) === root) yield at;
      else if (++passed % 1_024 === 0) yield -1;
      at = this.#next[at];
    } while (at !== first);
  }

  /** Clears the marks of all groups. */
  unmark(): void {
    if (++this.#round < 2 ** 32) return;
    for (let person = 0; person < this.#count; person++) this.#nodes[2 * person + 1] = 0;
    this.#round = 1;
  }

  /** Marks the group of a root. False if it was marked already. */
  mark(root: number): boolean {
    const at = 2 * root + 1;
    if (this.#nodes[at] === this.#round) return false;
    this.#nodes[at] = this.#round;
    return true;
  }

  /**
   * Writes to `places` the positions of those of the first `count` coupons that may be persons' (by the filter), and returns their number. A
   * separate, branch-free loop: the look-ups access distant memory, and so the processor can have many in flight.
   */
  find(coupons: Uint32Array, count: number, places: Uint32Array): number {
    const filter = this.#filter;
    const mask = filter.length - 1;
    let found = 0;
    for (let i = 0; i < count; i++) {
      const coupon = coupons[i];
      const missing = filterBitsOf(coupon) & ~filter[coupon & mask];
      places[found] = i;
      found += ((missing | -missing) >>> 31) ^ 1;
    }
    return found;
  }

  /** The last person below `end` with this coupon; -1 if there is none. */
  lastWith(coupon: number, end: number): number {
    this.#key[0] = coupon;
    let person = this.#ofCoupon.get(this.#key, 0);
    while (person >= end) person = this.lastBefore(person);
    return person;
  }

  /** The previous person with the same coupon; -1 if there is none. */
  lastBefore(person: number): number {
    const before = this.#sameCoupon[person];
    return before === none ? -1 : before;
  }

  /** The last step of a root that is not after `steps`. */
  #stepOf(root: number, steps: number): number {
    let step = this.#lastStep[root];
    while (step > steps) step = this.#history[stepWords * step + 4];
    return step;
  }

  #addStep(root: number, { least, persons, ids, doubts }: GroupNow): number {
    const step = ++this.#steps;
    const at = stepWords * step;
    if (at === this.#history.length) this.#history = grown(this.#history);
    const history = this.#history;
    history[at] = least;
    history[at + 1] = persons;
    history[at + 2] = ids;
    history[at + 3] = doubts;
    history[at + 4] = this.#lastStep[root];
    this.#lastStep[root] = step;
    return step;
  }

  /** Whether the id of a person is less than that of another, byte by byte. */
  #isBelow(person: number, other: number): boolean {
    const texts = this.#texts;
    const { bytes } = texts;
    const [endA, endB] = [texts.endOf(person), texts.endOf(other)];
    let [a, b] = [texts.startOf(person), texts.startOf(other)];
    while (a < endA && b < endB && bytes[a] === bytes[b]) {
      a++;
      b++;
    }
    return a === endA || (b < endB && bytes[a] < bytes[b]);
  }

  #grow(): void {
    this.#coupons = grown(this.#coupons);
    this.#parents = grown(this.#parents);
    this.#nodes = grown(this.#nodes);
    this.#lastStep = grown(this.#lastStep);
    this.#ids = grown(this.#ids);
    this.#next = grown(this.#next);
    this.#sameCoupon = grown(this.#sameCoupon);
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

/** Three of 32 bits. */
function filterBitsOf(coupon: number): number {
  const mixed = Math.imul(coupon, 0x9e3779b1);
  return (1 << (mixed >>> 27)) | (1 << ((mixed >>> 22) & 31)) | (1 << ((mixed >>> 17) & 31));
}
