/**
 * Index of the coupons that replace others, as of some step: one table look-up, where the groups need seven accesses to distant memory. Later
 * changes are marked in a small bitmap: for a marked coupon the groups must be asked.
 *
 *   slots   coupon, and the coupon that replaces it; or `asked` if the groups must be asked
 */
import type { PersonGroups } from './person-groups.js';

/** Number of persons processed between two pauses. */
const personsPerStep = 16_384;
const free = 0;
/** Not a valid coupon: those have a value above their address. */
const asked = 1;
const markBits = 2 ** 18;

export class RewriteIndex {
  /** The number of steps it is as of. */
  readonly steps: number;
  /** It contains the persons below this number. */
  readonly persons: number;
  /** Number of changes since. */
  changes = 0;
  readonly #slots: Uint32Array;
  readonly #mask: number;
  readonly #marks = new Uint32Array(markBits / 32);

  private constructor({ count, steps }: PersonGroups) {
    this.persons = count;
    this.steps = steps;
    const slots = 2 ** Math.ceil(Math.log2(2 * count + 2));
    this.#slots = new Uint32Array(2 * slots);
    this.#mask = slots - 1;
  }

  /**
   * Indexes all current persons. Yields now and then, so that the caller can pause; persons and steps may be added meanwhile.
   *
   * @param maxIds groups with more ids are not rewritten; 0: no cap
   */
  static *build(groups: PersonGroups, maxIds: number): Generator<undefined, RewriteIndex> {
    const index = new RewriteIndex(groups);
    groups.watch(index);
    const { steps, persons } = index;
    const { coupons } = groups;
    for (let person = 0; person < persons; person++) {
      if (person % personsPerStep === 0) yield;
      const root = groups.rootOf(person, steps);
      const before = groups.lastBefore(person);
      const isShared = before >= 0 && groups.rootOf(before, steps) !== root;
      if (isShared || (maxIds > 0 && groups.idsOf(root, steps) > maxIds)) index.#set(coupons[person], asked);
      else if (groups.personsOf(root, steps) > 1)
        index.#set(coupons[person], coupons[groups.leastOf(root, steps)]);
    }
    return index;
  }

  /** The coupon that replaces this one; 0 if no group of several persons has it; -1 if the groups must be asked. */
  targetOf(coupon: number): number {
    const slots = this.#slots;
    const slot = this.#slotOf(coupon);
    if (this.#isMarked(coupon)) return -1;
    if (slots[slot] === free) return 0;
    const target = slots[slot + 1];
    return target === asked || this.#isMarked(target) ? -1 : target;
  }

  /** Marks a change to the persons with a coupon. */
  mark(coupon: number): void {
    const bit = mixed(coupon) & (markBits - 1);
    this.#marks[bit >>> 5] |= 1 << (bit & 31);
    this.changes++;
  }

  #isMarked(coupon: number): boolean {
    const bit = mixed(coupon) & (markBits - 1);
    return (this.#marks[bit >>> 5] & (1 << (bit & 31))) !== 0;
  }

  #set(coupon: number, target: number): void {
    const slots = this.#slots;
    const slot = this.#slotOf(coupon);
    slots[slot] = coupon;
    slots[slot + 1] = slots[slot + 1] === asked ? asked : target;
  }

  /** Slot of a coupon, or the free slot for it. */
  #slotOf(coupon: number): number {
    const slots = this.#slots;
    let slot = 2 * (mixed(coupon) & this.#mask);
    while (slots[slot] !== coupon && slots[slot] !== free) slot = slot + 2 === slots.length ? 0 : slot + 2;
    return slot;
  }
}

function mixed(coupon: number): number {
  const product = Math.imul(coupon, 0x9e3779b1);
  return (product ^ (product >>> 15)) >>> 0;
}
