/**
 * What edges that wait have done to one sketch, and what they can still do to it, person by person: only those count that the sketch
 * may hold. A sketch of coupons says who that is; one of registers may hold a person when the register of the person's slot is at least as
 * large as the coupon's value.
 *
 * An edge that is taken back can raise a count by one at most, and only if it was one that linked two groups: without any others the
 * links alone join all that is joined. So a group comes apart into no more parts than it has doubts, plus one.
 */
import type { HllUnion } from 'hyperloglog-ts';
import type { PersonGroups } from './person-groups.js';
import type { RewriteIndex } from './rewrite-index.js';
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

/** How much of it counts, and by which rules. */
export interface PersonsRead {
  readonly persons: number;
  readonly links: number;
  readonly steps: number;
  readonly doubts: number;
  readonly raiseSteps: number;
  readonly raises: number;
  /** Groups of more ids are not joined; 0: no cap. */
  readonly maxIds: number;
  /** So many edges may turn out not to join although none that waits takes them back. */
  readonly unknownDoubts: number;
}

/** A sketch whose coupons have been rewritten (query/identity/live-people.ts). */
export interface Rewritten {
  readonly union: HllUnion;
  /** Coupons that another one stands for now. */
  readonly replaced: HllUnion;
  /** Coupons of joined groups that stand for all of their group: as long as the union is one of coupons. */
  readonly kept: HllUnion;
  /** Whether registers were read: whom they hold is not known, so none of them was rewritten. */
  readonly hasRegisters: boolean;
  /** How many coupons were left alone although edges are about their persons: each may be one with another one in the sketch. */
  readonly unclear: number;
}

export interface Exposed extends Slack {
  /** Other persons of the groups that were rewritten. */
  readonly pairs: number;
}

/** Persons in one sketch that are looked at: some tenth of a millisecond. Where there may be more, all edges count. */
const maxHeld = 32_768;
/** Of more people no number is called exact, and it is not worth looking who they are where no edge is in doubt. */
const fewCoupons = 201;
/** For one question after the other: its coupons (24,576 at most, at lgK 18), or places in the index. */
const work = new Uint32Array(maxHeld);
/** Where those of some coupons are that may be persons'. */
const places = new Uint32Array(maxHeld);

/** @param index of the first persons, if there is one */
export function exposureOf(
  state: WaitingPersons,
  at: PersonsRead,
  index: SlotIndex | undefined,
  people: Rewritten,
): Exposed {
  const exposure = new Exposure(state, at);
  const { union, replaced, kept } = people;
  const isKnown = replaced.mode === 'coupons' && kept.mode === 'coupons';
  const rewritten = Math.round(replaced.estimate());
  const unknown = Math.min(at.unknownDoubts, rewritten);
  const isSure = at.doubts === 0 && at.maxIds === 0;
  if (isSure && !people.hasRegisters && (union.mode === 'registers' || union.couponCount > fewCoupons))
    return { overcount: people.unclear, undercount: unknown, pairs: rewritten };
  if (union.mode === 'coupons' && isKnown) {
    exposure.addRewritten(replaced.copyCoupons(work));
    exposure.addRewritten(kept.copyCoupons(work));
    exposure.addCoupons(union.copyCoupons(work));
    return exposure;
  }
  const registers = union.registers();
  const isFew =
    registers !== undefined &&
    at.persons * shareHeld(union.estimate(), union.lgK) <= maxHeld &&
    exposure.addRegisters(registers, index);
  const overcount = isFew ? exposure.overcount : at.links;
  const doubts = at.maxIds > 0 ? rewritten + at.raises : at.doubts;
  return {
    overcount: people.hasRegisters ? overcount : Math.min(overcount, people.unclear),
    undercount: Math.min(doubts, isFew ? exposure.heldDoubts(rewritten) : doubts) + unknown,
    pairs: rewritten,
  };
}

/** What part of all other people a sketch of so many may hold, as far as its registers say: to be expected. */
function shareHeld(people: number, lgK: number): number {
  let share = 0;
  for (let value = 1; value <= 32; value++)
    share += 2 ** -value * -Math.expm1(-people * 2 ** (1 - value - lgK));
  return share;
}

/** Of a group with doubts: persons that were made one, and what they may come apart into by themselves. */
interface Doubtful {
  persons: number;
  raises: number;
}

class Exposure implements Exposed {
  /** How many persons may be one with another one in the sketch. */
  overcount = 0;
  pairs = 0;
  /** Persons that were made one with another one in the sketch, and what all persons may come apart into by themselves. */
  #merged = 0;
  #raised = 0;
  /** Doubts of all groups met. */
  #doubts = 0;
  readonly #doubtful = new Map<number, Doubtful>();
  readonly #state: WaitingPersons;
  readonly #at: PersonsRead;

  constructor(state: WaitingPersons, at: PersonsRead) {
    this.#state = state;
    this.#at = at;
    state.groups.unmark();
  }

  get undercount(): number {
    const all = this.#merged + this.#raised;
    if (this.#at.maxIds > 0) return all;
    const { groups } = this.#state;
    let known = 0;
    for (const [root, { persons, raises }] of this.#doubtful)
      known += Math.min(groups.doubtsOf(root, this.#at.steps), Math.max(0, persons - 1) + raises);
    return known + Math.min(this.#at.unknownDoubts, all - known);
  }

  /** Of a sketch of registers. */
  heldDoubts(joined: number): number {
    return this.#at.maxIds > 0 ? joined + this.#raised : this.#doubts;
  }

  /** Coupons at the start of the working memory that were read, of groups that were made one. */
  addRewritten(count: number): void {
    const { groups } = this.#state;
    const { steps, persons } = this.#at;
    for (let i = 0; i < count; i++) {
      const person = groups.lastWith(work[i], persons);
      const root = groups.rootOf(person, steps);
      if (groups.mark(root)) this.pairs += groups.personsOf(root, steps) - 1;
      else this.#merged++;
      this.#addDoubts(person, root, 1);
    }
  }

  /** Coupons at the start of the working memory that stand in the sketch. */
  addCoupons(count: number): void {
    const { groups } = this.#state;
    const found = groups.find(work, count, places);
    for (let i = 0; i < found; i++) {
      const last = groups.lastWith(work[places[i]], this.#at.persons);
      if (last < 0 || targetOf(groups, this.#at, last) > isUnclear) continue;
      for (let person = last; person >= 0; person = groups.lastBefore(person)) this.#meet(person, person);
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

  #addIndexed({ persons, roots, steps }: SlotIndex, found: number): void {
    const at = this.#at;
    const starts = steps <= at.steps ? roots : persons; // the index may be of later edges than the answer
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
    const { groups } = this.#state;
    const root = groups.rootOf(from, this.#at.steps);
    if (groups.mark(root)) this.#doubts += this.#doubtsOf(root);
    else this.overcount++;
    this.#addDoubts(person, root, 0);
  }

  #addDoubts(person: number, root: number, merged: number): void {
    const { raiseSteps } = this.#at;
    const raises = raiseSteps > 0 ? this.#state.raises.of(person, raiseSteps) : 0;
    this.#raised += raises;
    if (this.#doubtsOf(root) === 0) return;
    const known = this.#doubtful.get(root);
    if (known === undefined) this.#doubtful.set(root, { persons: merged, raises });
    else {
      known.persons += merged;
      known.raises += raises;
    }
  }

  #doubtsOf(root: number): number {
    const { doubts, steps } = this.#at;
    return doubts === 0 ? 0 : this.#state.groups.doubtsOf(root, steps);
  }
}

/** Where coupons of groups go when they are met: those that were replaced, and those that stand for their group, if anybody asks. */
export interface Met {
  readonly replaced: HllUnion;
  readonly kept: HllUnion | undefined;
}

export interface RewriteOutcome {
  /** Whether any coupon was. */
  readonly replaced: boolean;
  /** Coupons that had to stay although edges are about their persons. */
  readonly unclear: number;
}

/**
 * Replaces the first `count` coupons by those that stand for the groups of their persons; coupons of no such group stay. What
 * two persons of different groups have is of either, so it stays as well: `unclear` of them.
 *
 * @param index of what was there at some time, if there is one
 */
export function rewriteCoupons(
  groups: PersonGroups,
  at: PersonsRead,
  index: RewriteIndex | undefined,
  coupons: Uint32Array,
  count: number,
  met: Met,
): RewriteOutcome {
  const known =
    index !== undefined && index.steps <= at.steps && index.persons <= at.persons ? index : undefined;
  let hasReplaced = false;
  let unclear = 0;
  for (let from = 0; from < count; from += places.length) {
    const part = from === 0 ? coupons : coupons.subarray(from);
    const found = groups.find(part, Math.min(count - from, places.length), places);
    for (let i = 0; i < found; i++) {
      const coupon = part[places[i]];
      let target = known === undefined ? -1 : known.targetOf(coupon);
      if (target === -1) {
        const person = groups.lastWith(coupon, at.persons);
        target = person < 0 ? 0 : targetOf(groups, at, person);
      }
      if (target === 0) continue;
      if (target === isUnclear) unclear++;
      else if (target === coupon) met.kept?.addCoupon(coupon);
      else {
        met.replaced.addCoupon(coupon);
        part[places[i]] = target;
        hasReplaced = true;
      }
    }
  }
  return { replaced: hasReplaced, unclear };
}

/** No coupon either. */
const isUnclear = 1;

/**
 * What the coupon of a person, the last that has it, is rewritten to: itself where it stands for its group; 0 when it stays since its
 * person has no others, `isUnclear` when it stays and may be somebody's.
 */
function targetOf(groups: PersonGroups, at: PersonsRead, person: number): number {
  const { steps, maxIds } = at;
  const root = groups.rootOf(person, steps);
  if (!isAlone(groups, at, person, root) || (maxIds > 0 && groups.idsOf(root, steps) > maxIds))
    return isUnclear;
  return groups.personsOf(root, steps) === 1 ? 0 : groups.coupons[groups.leastOf(root, steps)];
}

/** Whether no person of another group has the coupon of this one, which is the last that has it. */
function isAlone(groups: PersonGroups, { steps }: PersonsRead, person: number, root: number): boolean {
  for (let other = groups.lastBefore(person); other >= 0; other = groups.lastBefore(other))
    if (groups.rootOf(other, steps) !== root) return false;
  return true;
}
