/**
 * What edges that wait can do to one sketch, person by person: only those that it may hold count. A sketch of coupons says who that is; one
 * of registers may hold a person when the register of the person's slot is at least as large as the coupon's value.
 */
import type { HllUnion } from 'hyperloglog-ts';
import type { PersonGroups } from './person-groups.js';
import type { Raises } from './raises.js';
import type { SlotIndex } from './slot-index.js';

export interface Slack {
  /** The count may be too high by so many. */
  readonly overcount: number;
  /** The count may be too low by so many. */
  readonly undercount: number;
}

/** Persons that edges are about. */
export interface WaitingPersons {
  readonly groups: PersonGroups;
  readonly raises: Raises;
}

/** How much of it counts. */
export interface PersonsRead {
  readonly persons: number;
  readonly links: number;
  readonly raiseSteps: number;
}

/** Persons in one sketch that are looked at: some tenth of a millisecond. Where there may be more, all edges count. */
const maxHeld = 32_768;
/** For one question after the other: its coupons (24,576 at most, at lgK 18), or places in the index. */
const work = new Uint32Array(maxHeld);

/**
 * By how much the edges can change the count of a union's people; undefined when it may hold too many persons to look at.
 *
 * @param index of the first persons, if there is one
 * @param people the union's estimate
 */
export function exposureOf(
  state: WaitingPersons,
  at: PersonsRead,
  index: SlotIndex | undefined,
  union: HllUnion,
  people: number,
): Slack | undefined {
  const exposure = new Exposure(state, at);
  const coupons = union.copyCoupons(work);
  const registers = union.registers();
  if (registers === undefined) {
    exposure.addCoupons(coupons);
    return exposure;
  }
  const isFew =
    at.persons * shareHeld(people, union.lgK) <= maxHeld && exposure.addRegisters(registers, index);
  return isFew ? exposure : undefined;
}

/** What part of all other people a sketch of so many may hold, as far as its registers say: to be expected. */
function shareHeld(people: number, lgK: number): number {
  let share = 0;
  for (let value = 1; value <= 32; value++)
    share += 2 ** -value * -Math.expm1(-people * 2 ** (1 - value - lgK));
  return share;
}

class Exposure implements Slack {
  /** How many persons may be one with another one in the sketch. */
  overcount = 0;
  undercount = 0;
  readonly #state: WaitingPersons;
  readonly #at: PersonsRead;

  constructor(state: WaitingPersons, at: PersonsRead) {
    this.#state = state;
    this.#at = at;
    state.groups.unmark();
  }

  /** Those at the start of the working memory. */
  addCoupons(count: number): void {
    const { groups } = this.#state;
    const sifted = groups.sift(work, count);
    for (let i = 0; i < sifted; i++) {
      let person = groups.lastWith(work[i], this.#at.persons);
      for (; person >= 0; person = groups.lastBefore(person)) this.#meet(person, person);
    }
  }

  /** False when there are too many persons to look at. */
  addRegisters(registers: Uint8Array, index: SlotIndex | undefined): boolean {
    const found = index?.held(registers, work) ?? 0;
    const indexed = index?.count ?? 0;
    if (found < 0 || this.#at.persons - indexed > maxHeld) return false;
    if (index !== undefined) this.#addIndexed(index, found);
    this.#addUnindexed(registers, indexed);
    return true;
  }

  #addIndexed({ persons, roots, links }: SlotIndex, found: number): void {
    const at = this.#at;
    const starts = links <= at.links ? roots : persons; // the index may be of later edges than the answer
    for (let i = 0; i < found; i++) {
      const place = work[i];
      const person = persons[place];
      if (person < at.persons) this.#meet(person, starts[place]);
    }
  }

  #addUnindexed(registers: Uint8Array, from: number): void {
    const { coupons } = this.#state.groups;
    const mask = registers.length - 1;
    for (let person = from; person < this.#at.persons; person++) {
      const coupon = coupons[person];
      if (coupon >>> 26 <= registers[coupon & mask]) this.#meet(person, person);
    }
  }

  /** A person that the sketch may hold, and one that its group can be found from. */
  #meet(person: number, from: number): void {
    const [state, at] = [this.#state, this.#at];
    if (!state.groups.mark(from, at.links)) this.overcount++;
    if (at.raiseSteps > 0) this.undercount += state.raises.of(person, at.raiseSteps);
  }
}
