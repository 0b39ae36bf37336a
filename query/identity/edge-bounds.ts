/**
 * By how much the edges that wait can change one count of people: only as far as they are about people whom its sketch may
 * hold. A sketch of coupons says who that is; one of registers may hold a person when the register of the person's slot is
 * at least as large as the coupon's value.
 */
import type { HllUnion } from 'hyperloglog-ts';
import type { EdgeState, Milestone } from './edge-state.js';
import type { SlotIndex } from './slot-index.js';

export interface Slack {
  /** The count may be too high by so many. */
  readonly overcount: number;
  /** The count may be too low by so many. */
  readonly undercount: number;
}

/** Persons in one sketch that are looked at: some tenth of a millisecond. Where there may be more, all edges count. */
const maxHeld = 32_768;
/** For one question after the other: its coupons (24,576 at most, at lgK 18), or places in the index. */
const work = new Uint32Array(maxHeld);

export interface EdgeBoundsOptions {
  readonly state: EdgeState;
  /** What of the state counts. */
  readonly at: Milestone;
  /** By how much edges that are not in the state can change any count. */
  readonly rest: Slack;
  /** All edges that are kept have been read: asked again, the answer is the same. */
  readonly isFinal: boolean;
  /** Of the first persons of the state, if there is one. */
  readonly index: SlotIndex | undefined;
}

/** The edges of one cut. */
export class EdgeBounds {
  readonly #options: EdgeBoundsOptions;

  constructor(options: EdgeBoundsOptions) {
    this.#options = options;
  }

  get isFinal(): boolean {
    return this.#options.isFinal;
  }

  /** Of the people in a union; `people` is its estimate. */
  slackOf(union: HllUnion, people: number): Slack {
    const { at, rest } = this.#options;
    const { overcount, undercount } = at.persons === 0 ? none : this.#slackOf(union, people);
    return {
      overcount: overcount + at.rejoined + rest.overcount,
      undercount: undercount + rest.undercount,
    };
  }

  /** Whether an edge may change which ids this person of the mapping has. */
  mayChange(person: string): boolean {
    const { state, at, rest } = this.#options;
    if (rest.overcount > 0 || rest.undercount > 0 || at.rejoined > 0) return true;
    const number = state.numberOf(person);
    return number >= 0 && number < at.persons;
  }

  #slackOf(union: HllUnion, people: number): Slack {
    const { at } = this.#options;
    const exposure = new Exposure(this.#options);
    const coupons = union.copyCoupons(work);
    const registers = union.registers();
    if (registers === undefined) {
      exposure.addCoupons(coupons);
      return exposure;
    }
    const isFew = at.persons * shareHeld(people, union.lgK) <= maxHeld && exposure.addRegisters(registers);
    return isFew ? exposure : { overcount: at.links, undercount: at.raises };
  }
}

const none: Slack = { overcount: 0, undercount: 0 };

/** What part of all other people a sketch of so many may hold, as far as its registers say: to be expected. */
function shareHeld(people: number, lgK: number): number {
  let share = 0;
  for (let value = 1; value <= 32; value++)
    share += 2 ** -value * -Math.expm1(-people * 2 ** (1 - value - lgK));
  return share;
}

/** What edges can do to one sketch, person by person. */
class Exposure implements Slack {
  /** How many persons may be one with another one in the sketch. */
  overcount = 0;
  undercount = 0;
  readonly #options: EdgeBoundsOptions;

  constructor(options: EdgeBoundsOptions) {
    this.#options = options;
    options.state.groups.unmark();
  }

  /** Those at the start of the working memory. */
  addCoupons(count: number): void {
    const { state, at } = this.#options;
    const { groups } = state;
    const sifted = groups.sift(work, count);
    for (let i = 0; i < sifted; i++) {
      let person = groups.lastWith(work[i] ?? 0, at.persons);
      for (; person >= 0; person = groups.lastBefore(person)) this.#meet(person, person);
    }
  }

  /** False when there are too many persons to look at. */
  addRegisters(registers: Uint8Array): boolean {
    const { at, index } = this.#options;
    const found = index?.held(registers, work) ?? 0;
    if (found < 0 || at.persons - (index?.count ?? 0) > maxHeld) return false;
    if (index !== undefined) this.#addIndexed(index, found);
    this.#addUnindexed(registers);
    return true;
  }

  #addIndexed({ persons, roots, links }: SlotIndex, found: number): void {
    const { at } = this.#options;
    const starts = links <= at.links ? roots : persons; // the index may be of later edges than the answer
    for (let i = 0; i < found; i++) {
      const place = work[i] ?? 0;
      const person = persons[place] ?? 0;
      if (person < at.persons) this.#meet(person, starts[place] ?? 0);
    }
  }

  #addUnindexed(registers: Uint8Array): void {
    const { state, at, index } = this.#options;
    const { coupons } = state.groups;
    const mask = registers.length - 1;
    for (let person = index?.count ?? 0; person < at.persons; person++) {
      const coupon = coupons[person] ?? 0;
      if (coupon >>> 26 <= (registers[coupon & mask] ?? 0)) this.#meet(person, person);
    }
  }

  /** A person that the sketch may hold, and one that its group can be found from. */
  #meet(person: number, from: number): void {
    const { state, at } = this.#options;
    if (!state.groups.mark(from, at.links)) this.overcount++;
    if (at.raiseSteps > 0) this.undercount += state.raises.of(person, at.raiseSteps);
  }
}
