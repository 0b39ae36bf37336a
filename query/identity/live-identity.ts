/**
 * Identity at one cut, from the batch view's mapping and the waiting edges. Coupons of people joined by an edge are rewritten wherever they are
 * read as coupons (live-people.ts). Registers stay as they are, and retractions wait for the next run: for both, an answer states by how much
 * they can change it.
 */
import { maxPairs } from 'hyperloglog-ts';
import type { BatchView } from '../../facts/views/view.js';
import { compareUtf8 } from '../../facts/fact.js';
import { sortPaced } from '../engine/paced-sort.js';
import type { Pace } from '../engine/pace.js';
import {
  exposureOf,
  rewriteCoupons,
  type Met,
  type PersonsRead,
  type RewriteOutcome,
  type Rewritten,
  type Slack,
} from '../arrays/exposure.js';
import type { RewriteIndex } from '../arrays/rewrite-index.js';
import type { SlotIndex } from '../arrays/slot-index.js';
import type { EdgeState, Milestone } from './edge-state.js';

export interface LiveIdentityOptions {
  readonly batch: BatchView;
  readonly state: EdgeState;
  /** The milestone of the state that counts. */
  readonly at: Milestone;
  /** By how much edges that are not in the state can change any count. */
  readonly rest: Slack;
  /** All stored edges have been read: the same query will give the same answer. */
  readonly isFinal: boolean;
  /** Index of the first persons of the state, if there is one. */
  readonly index: SlotIndex | undefined;
  readonly rewrites: RewriteIndex | undefined;
}

/** How edges have changed a count, and how they can still change it. */
export interface EdgeEffect extends Slack {
  /** Number of people of the batch view that are counted as another person, because an edge joins them. */
  readonly rewritten: number;
  /** Upper bound of people confused with others because of equal coupons; exceeded with probability below 1 in 10,000. */
  readonly mistaken: number;
}

export interface LivePerson {
  /** The least of all ids. */
  readonly person: string;
  /** PersonID in the batch view. */
  readonly batchPerson: string;
  /** PersonIDs of the batch view that edges join it to, ascending, at most `limit`. */
  readonly joinedPersons: readonly string[];
  /** Ascending, at most `limit`. */
  readonly ids: readonly string[];
  readonly idCount: number;
}

/** Two ids share a coupon with probability 1 / couponSpace: 26 bits of address, and values whose squared probabilities add up to 1/3. */
const couponSpace = 3 * 2 ** 26;

export class LiveIdentity {
  readonly #options: LiveIdentityOptions;
  readonly #read: PersonsRead;

  constructor(options: LiveIdentityOptions) {
    this.#options = options;
    const { maxPersonIds, retractions } = options.batch.meta;
    this.#read = { ...options.at, maxIds: maxPersonIds, unknownDoubts: retractions ?? Infinity };
  }

  get isFinal(): boolean {
    return this.#options.isFinal;
  }

  /** Whether any persons of the batch view are joined. */
  get joins(): boolean {
    return this.#read.links > 0;
  }

  /**
   * Replaces those of the first `count` coupons whose persons are joined by the coupons of their new PersonIDs; adds the old ones to `met`.
   * Returns whether any was replaced, and how many had to stay although edges concern them.
   */
  rewrite(coupons: Uint32Array, count: number, met: Met): RewriteOutcome {
    const { state, rewrites } = this.#options;
    return rewriteCoupons(state.groups, this.#read, rewrites, coupons, count, met);
  }

  /** Effect of edges on a sketch that `rewrite` has processed. */
  effectOn(people: Rewritten): EdgeEffect {
    const { state, at, rest, index } = this.#options;
    const { overcount, undercount, pairs } =
      at.persons === 0 ? untouched : exposureOf(state, this.#read, index, people);
    return {
      overcount: overcount + at.rejoined + rest.overcount,
      undercount: undercount + rest.undercount,
      rewritten: Math.round(people.replaced.estimate()),
      mistaken: maxPairs((pairs * people.union.estimate()) / couponSpace),
    };
  }

  /** The person of a visitor id. Throws `deadline-exceeded`. */
  async personOf(visitor: string, limit: number, pace: Pace): Promise<LivePerson> {
    const { batch, state } = this.#options;
    const batchPerson = batch.personOf(visitor);
    const alone = {
      person: batchPerson,
      batchPerson,
      joinedPersons: [],
      ids: batch.idsOf(batchPerson, limit),
      idCount: batch.idCountOf(batchPerson),
    };
    const number = this.#numberOf(batchPerson);
    if (number < 0 || !this.#isOne(number)) return alone;
    const { steps } = this.#read;
    const persons: string[] = [];
    let idCount = 0;
    for (const member of state.groups.membersOf(number, steps)) {
      if (pace.due) await pace.rest();
      if (member < 0) continue;
      const person = state.groups.idOf(member);
      persons.push(person);
      idCount += batch.idCountOf(person);
    }
    const ascending = await sortPaced(persons, compareUtf8, pace);
    let ids: string[] = [];
    // Ids of later persons come after the first ids of these.
    for (const person of ascending.slice(0, limit)) {
      ids.push(...batch.idsOf(person, limit));
      if (ids.length > 4 * limit) ids = ids.toSorted(compareUtf8).slice(0, limit);
      if (pace.due) await pace.rest();
    }
    return {
      person: ascending[0] ?? batchPerson,
      batchPerson,
      joinedPersons: ascending
        .slice(0, limit + 1)
        .filter((person) => person !== batchPerson)
        .slice(0, limit),
      ids: ids.toSorted(compareUtf8).slice(0, limit),
      idCount,
    };
  }

  /** PersonID of a person of the batch view after joining, unless the joined group is over the cap. */
  personIdOf(batchPerson: string): string {
    const number = this.#numberOf(batchPerson);
    if (number < 0 || !this.#isOne(number)) return batchPerson;
    const { groups } = this.#options.state;
    const { steps } = this.#read;
    return groups.idOf(groups.leastOf(groups.rootOf(number, steps), steps));
  }

  /** Whether an edge may still change the ids of this person of the mapping, apart from the joins already made. */
  mayChange(person: string): boolean {
    const { state, at, rest } = this.#options;
    if (rest.overcount > 0 || rest.undercount > 0 || at.rejoined > 0) return true;
    const number = this.#numberOf(person);
    if (number < 0) return false;
    const { steps, maxIds, unknownDoubts } = this.#read;
    const root = state.groups.rootOf(number, steps);
    const isJoined = state.groups.personsOf(root, steps) > 1;
    return state.groups.doubtsOf(root, steps) > 0 || (isJoined && (maxIds > 0 || unknownDoubts > 0));
  }

  #numberOf(person: string): number {
    const number = this.#options.state.numberOf(person);
    return number < this.#read.persons ? number : -1;
  }

  /** Whether a person's group counts as one person: it has no more ids than the cap allows. */
  #isOne(number: number): boolean {
    const { groups } = this.#options.state;
    const { steps, maxIds } = this.#read;
    return maxIds === 0 || groups.idsOf(groups.rootOf(number, steps), steps) <= maxIds;
  }
}

const untouched = { overcount: 0, undercount: 0, pairs: 0 };
