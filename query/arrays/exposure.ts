/**
 * Computes how waiting edges have changed the count of one sketch, and how they can still change it, counting only persons that the sketch may
 * contain. A sketch of coupons determines who that is; one of registers may contain a person if the register of the person's slot is at least
 * the coupon's value.
 *
 * An edge that is taken back can raise a count by at most one, and only if it linked two groups: without the other edges, the links alone join
 * everything that is joined. So a group splits into at most as many parts as it has doubts, plus one.
 */
import type { HllUnion } from 'hyperloglog-ts';
import type { PersonGroups } from './person-groups.js';
import type { RewriteIndex } from './rewrite-index.js';
import type { Raises } from './raises.js';
import type { SlotIndex } from './slot-index.js';

export interface Slack {
  /** By how much the count may be too high. */
  readonly overcount: number;
  /** By how much the count may be too low. */
  readonly undercount: number;
}

/** Persons that waiting edges concern. */
export interface WaitingPersons {
  readonly groups: PersonGroups;
  readonly raises: Raises;
}

/** The part of the state that counts for an answer, and the rules. */
export interface PersonsRead {
  readonly persons: number;
  readonly links: number;
  readonly steps: number;
  readonly doubts: number;
  readonly raiseSteps: number;
  readonly raises: number;
  /** Groups with more ids are not joined; 0: no cap. */
  readonly maxIds: number;
  /** Number of edges that may turn out not to join although no waiting edge takes them back. */
  readonly unknownDoubts: number;
}

/** A sketch whose coupons have been rewritten (query/identity/live-people.ts). */
export interface Rewritten {
  readonly union: HllUnion;
  /** Coupons that were replaced by others. */
  readonly replaced: HllUnion;
  /** Coupons that represent their joined group; complete only while the union is one of coupons. */
  readonly kept: HllUnion;
  /** Whether registers were added: their people are unknown, so they were not rewritten. */
  readonly hasRegisters: boolean;
  /** Number of coupons left unchanged although edges concern their persons: each may be a duplicate of another in the sketch. */
  readonly unclear: number;
}

export interface Exposed extends Slack {
  /** Number of other persons in the rewritten groups. */
  readonly pairs: number;
}

/** Maximum number of persons checked per sketch, which takes some tenth of a millisecond. If there may be more, all edges count. */
const maxHeld = 32_768;
/** Counts of more people are never called exact; then it is not worth checking who they are if no edge is in doubt. */
const fewCoupons = 201;
/** Reused working memory: the coupons of a sketch (24,576 at most, at lgK 18), or positions in the index. */
const work = new Uint32Array(maxHeld);
/** Reused: positions of coupons that may be those of persons. */
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

/** Expected fraction of all other people that a sketch of this many people may contain by its registers. */
function shareHeld(people: number, lgK: number): number {
  let share = 0;
  for (let value = 1; value <= 32; value++)
    share += 2 ** -value * -Math.expm1(-people * 2 ** (1 - value - lgK));
  return share;
}

/** For a group with doubts: number of persons merged into it, and number of parts that they may split into on their own. */
interface Doubtful {
  persons: number;
  raises: number;
}

class Exposure implements Exposed {
  /** Number of persons that may be duplicates of another in the sketch. */
  overcount = 0;
  pairs = 0;
  /** Number of persons merged into another in the sketch, and number of parts that all persons may split into on their own. */
  #merged = 0;
  #raised = 0;
  /** Sum of the doubts of all groups met. */
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

  /** For a sketch of registers. */
  heldDoubts(joined: number): number {
    return this.#at.maxIds > 0 ? joined + this.#raised : this.#doubts;
  }

  /** Adds rewritten coupons, the first `count` of the working memory. */
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

  /** Adds the coupons of the sketch, the first `count` of the working memory. */
  addCoupons(count: number): void {
    const { groups } = this.#state;
    const found = groups.find(work, count, places);
    for (let i = 0; i < found; i++) {
      const last = groups.lastWith(work[places[i]], this.#at.persons);
      if (last < 0 || targetOf(groups, this.#at, last) > isUnclear) continue;
      for (let person = last; person >= 0; person = groups.lastBefore(person)) this.#meet(person, person);
    }
  }

  /** False if there are too many persons to check. */
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

  /** Adds a person that the sketch may contain. `from`: a node from which to search for the group. */
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

/** Receives coupons of joined groups: those that were replaced and, if wanted, those that represent their group. */
export interface Met {
  readonly replaced: HllUnion;
  readonly kept: HllUnion | undefined;
}

export interface RewriteOutcome {
  /** Whether any coupon was replaced. */
  readonly replaced: boolean;
  /** Number of coupons that had to stay although edges concern their persons. */
  readonly unclear: number;
}

/**
 * Replaces those of the first `count` coupons whose persons are in a group of several by the coupons that represent the groups. A coupon shared
 * by persons of different groups stays: `unclear` counts these.
 *
 * @param index of an earlier state, if there is one
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

/** Not a valid coupon, like 0. */
const isUnclear = 1;

/**
 * The coupon that replaces the one of `person`, the last person with it; itself if it represents its group. 0 if it stays because its person has
 * no others, `isUnclear` if it stays although edges concern it.
 */
function targetOf(groups: PersonGroups, at: PersonsRead, person: number): number {
  const { steps, maxIds } = at;
  const root = groups.rootOf(person, steps);
  if (!isAlone(groups, at, person, root) || (maxIds > 0 && groups.idsOf(root, steps) > maxIds))
    return isUnclear;
  return groups.personsOf(root, steps) === 1 ? 0 : groups.coupons[groups.leastOf(root, steps)];
}

/** Whether no person of another group has the same coupon as `person`, the last person with it. */
function isAlone(groups: PersonGroups, { steps }: PersonsRead, person: number, root: number): boolean {
  for (let other = groups.lastBefore(person); other >= 0; other = groups.lastBefore(other))
    if (groups.rootOf(other, steps) !== root) return false;
  return true;
}
