/**
 * Finds which of many persons a large sketch may contain: those whose coupon's value is at most the register of its slot. Persons are ordered by
 * slot and then by value, so most of those that are not contained are skipped.
 */
import { prefixSums } from '../../lib/memory/counting-sort.js';
import type { PersonGroups } from './person-groups.js';

/** Number of persons sorted between two pauses. */
const personsPerStep = 65_536;
const valueShift = 26;

export class SlotIndex {
  /** Start of each slot in the other arrays, and the end of the last one. */
  readonly #starts: Uint32Array;
  readonly #values: Uint8Array;
  /** The persons, and the roots of their groups when they were indexed. */
  readonly persons: Uint32Array;
  readonly roots: Uint32Array;
  /** The number of steps it is as of. */
  readonly steps: number;

  private constructor(count: number, starts: Uint32Array, steps: number) {
    this.steps = steps;
    this.#starts = starts;
    this.#values = new Uint8Array(count);
    this.persons = new Uint32Array(count);
    this.roots = new Uint32Array(count);
  }

  /**
   * Indexes all current persons for sketches of 2^lgK registers, by two counting sorts: by value, then by slot. Yields now and then, so that the
   * caller can pause; persons and links may be added meanwhile.
   */
  static *build(groups: PersonGroups, lgK: number): Generator<undefined, SlotIndex> {
    const { coupons, steps } = groups;
    const mask = 2 ** lgK - 1;
    const starts = new Uint32Array(2 ** lgK + 1);
    const valueStarts = new Uint32Array(65);
    for (let person = 0; person < coupons.length; person++) {
      const coupon = coupons[person];
      starts[(coupon & mask) + 1]++;
      valueStarts[(coupon >>> valueShift) + 1]++;
      if (person % personsPerStep === 0) yield;
    }
    prefixSums(starts);
    prefixSums(valueStarts);
    const byValue = new Uint32Array(coupons.length);
    for (let person = 0; person < coupons.length; person++) {
      byValue[valueStarts[coupons[person] >>> valueShift]++] = person;
      if (person % personsPerStep === 0) yield;
    }
    const index = new SlotIndex(coupons.length, starts, steps);
    const ends = starts.slice();
    for (let i = 0; i < byValue.length; i++) {
      const person = byValue[i];
      const coupon = coupons[person];
      const place = ends[coupon & mask]++;
      index.#values[place] = coupon >>> valueShift;
      index.persons[place] = person;
      index.roots[place] = groups.rootOf(person, steps);
      if (i % personsPerStep === 0) yield;
    }
    return index;
  }

  /** It contains the persons below this number. */
  get count(): number {
    return this.persons.length;
  }

  /**
   * Writes the positions of the persons that the registers may contain to the start of `into`. Returns their number; -1 if they do not fit, or
   * if the number of registers is not the one the index was built for.
   */
  held(registers: Uint8Array, into: Uint32Array): number {
    const starts = this.#starts;
    const values = this.#values;
    if (registers.length !== starts.length - 1) return -1;
    let found = 0;
    let from = 0;
    for (let slot = 0; slot < registers.length; slot++) {
      const end = starts[slot + 1];
      const register = registers[slot];
      for (let place = from; place < end && values[place] <= register; place++) {
        if (found === into.length) return -1;
        into[found++] = place;
      }
      from = end;
    }
    return found;
  }
}
