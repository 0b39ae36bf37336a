/**
 * Persons that edges join into groups: union-find by size, in numbers. Each step (two groups joined, a group that came in doubt)
 * is kept with what stood before it, so groups can be asked for as they were after any number of steps (partially
 * persistent union-find: without path compression a search takes log2(persons) steps at most, and mostly one). So an
 * answer that takes a while keeps to its own cut, however many edges come in meanwhile.
 *
 *   person   coupon, text of its id, parent and the step that made it one, last person with the same coupon, next of its group
 *   step     of a root: the group's least person in UTF-8 byte order, its persons, ids and doubts, and the root's step before
 */
import { grown } from '../../lib/memory/grown.js';
import { hashWords } from '../../lib/memory/keyed-hash.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { SplitTable } from '../../lib/memory/split-table.js';
import type { RewriteIndex } from './rewrite-index.js';

const none = 2 ** 32 - 1;
/** Persons to a word of the filter, at most. Not a power of 2: it doubles at another time than the arrays, which takes as long. */
const personsInWord = 3;
/** What a root without a step is found under. */
const noStep = 0;
const stepWords = 5;

interface GroupNow {
  /** The person that has the least id. */
  readonly least: number;
  readonly persons: number;
  readonly ids: number;
  /** Edges that may turn out not to join. */
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
  /** Two words a person, to be found in one look: the step that gave it its parent (`none` for roots), and its mark. */
  #nodes = new Uint32Array(128);
  /** Of roots: the last step. */
  #lastStep = new Uint32Array(64);
  /** Of persons: ids. */
  #ids = new Uint32Array(64);
  /** All of a group, in a ring. */
  #next = new Uint32Array(64);
  /** By step, from 1. */
  #history = new Uint32Array(stepWords * 48); // doubles at another time than the others
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
  /** The last two that were built or are being built. */
  #watching: readonly RewriteIndex[] = [];

  /** Persons are numbered from 0. */
  get count(): number {
    return this.#count;
  }

  /** Links made: with each of them there is one group less. */
  get links(): number {
    return this.#links;
  }

  /** Of all groups together. */
  get doubts(): number {
    return this.#doubts;
  }

  /** What groups are asked for as of. */
  get steps(): number {
    return this.#steps;
  }

  /** Of all persons by number: more of them change nothing in the array. */
  get coupons(): Uint32Array {
    return this.#coupons.subarray(0, this.#count);
  }

  /**
   * A new person, in a group of its own. Returns its number.
   *
   * @param id PersonID
   * @param ids how many ids the person has
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

  /** From now on the index hears what changes. */
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

  /** One more edge of a person's group may turn out not to join. */
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

  /** Stands for the group of a person as it was after so many steps. */
  rootOf(person: number, steps: number): number {
    const nodes = this.#nodes;
    let at = person;
    while (nodes[2 * at] <= steps) at = this.#parents[at];
    return at;
  }

  /** The person of a group that has the least id, as it was after so many steps. */
  leastOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? root : this.#history[stepWords * step];
  }

  /** How many persons a group has, as it was after so many steps. */
  personsOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? 1 : this.#history[stepWords * step + 1];
  }

  /** How many ids a group has, as it was after so many steps. */
  idsOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? this.#ids[root] : this.#history[stepWords * step + 2];
  }

  /** How many edges of a group may turn out not to join, as it was after so many steps. */
  doubtsOf(root: number, steps: number): number {
    const step = this.#stepOf(root, steps);
    return step === noStep ? 0 : this.#history[stepWords * step + 3];
  }

  /** PersonID. */
  idOf(person: number): string {
    return this.#texts.text(person);
  }

  /** All of a group, as it was after so many steps, in no special order; also -1 now and then, for those who have to pause. */
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

  /** Takes the marks off all groups. */
  unmark(): void {
    if (++this.#round < 2 ** 32) return;
    for (let person = 0; person < this.#count; person++) this.#nodes[2 * person + 1] = 0;
    this.#round = 1;
  }

  /** Marks the group of a root. False when it was marked. */
  mark(root: number): boolean {
    const at = 2 * root + 1;
    if (this.#nodes[at] === this.#round) return false;
    this.#nodes[at] = this.#round;
    return true;
  }

  /**
   * Writes to `places` where those of the first `count` coupons are that may be persons', and returns how many they are. A loop
   * of its own, with no branch: the look-ups go to memory far apart, and the processor can then have many of them under way.
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

  /** Whether the id of a person is less than that of another one, byte by byte. */
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

/** Three of 32, as an int32. */
function filterBitsOf(coupon: number): number {
  const mixed = Math.imul(coupon, 0x9e3779b1);
  return (1 << (mixed >>> 27)) | (1 << ((mixed >>> 22) & 31)) | (1 << ((mixed >>> 17) & 31));
}
