/**
 * Which of many persons a large sketch may hold: one whose coupon's value is at most the register of its slot. They are in
 * order of their slots, and of their values within a slot, so those that are not held are hardly looked at.
 */
import { sumUp } from '../../lib/memory/counting-sort.js';
import type { PersonGroups } from './person-groups.js';

/** Persons sorted between two pauses. */
const personsPerStep = 65_536;
const valueShift = 26;

export class SlotIndex {
  /** Where each slot begins in the others; one more says where the last one ends. */
  readonly #starts: Uint32Array;
  readonly #values: Uint8Array;
  /** The persons at these places, and what stood for their groups when they were indexed. */
  readonly persons: Uint32Array;
  readonly roots: Uint32Array;
  /** After so many steps. */
  readonly steps: number;

  private constructor(count: number, starts: Uint32Array, steps: number) {
    this.steps = steps;
    this.#starts = starts;
    this.#values = new Uint8Array(count);
    this.persons = new Uint32Array(count);
    this.roots = new Uint32Array(count);
  }

  /**
   * Indexes all persons there are, for sketches of 2^lgK registers, by two counting sorts: first by value, then by slot.
   * Yields now and then, so that the caller can pause, and persons and links may be added.
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
    sumUp(starts);
    sumUp(valueStarts);
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

  /** Persons below this number are indexed. */
  get count(): number {
    return this.persons.length;
  }

  /**
   * Writes the places of the persons that these registers may hold to the start of `into`. Returns how many they are, -1
   * when there is no room for all, or when the registers are not as many as the index was built for.
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
