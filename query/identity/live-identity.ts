/**
 * Who is one person at one cut, as far as the batch view's mapping and the edges that wait say. Coupons of people whom an edge joins are
 * rewritten, wherever they are read as coupons (live-people.ts); what is read as registers stays as it is, and retractions wait for the next
 * run: for both an answer says by how much they can change it.
 */
import { mostPairs } from 'hyperloglog-ts';
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
  /** What of the state counts. */
  readonly at: Milestone;
  /** By how much edges that are not in the state can change any count. */
  readonly rest: Slack;
  /** All edges that are kept have been read: asked again, the answer is the same. */
  readonly isFinal: boolean;
  /** Of the first persons of the state, if there is one. */
  readonly index: SlotIndex | undefined;
  readonly rewrites: RewriteIndex | undefined;
}

/** What edges have done to a count, and what they can still do. */
export interface EdgeEffect extends Slack {
  /** People of the batch view that are counted as another one, to whom an edge joins them. */
  readonly rewritten: number;
  /** So many may have been taken for others because they have their coupons: with odds below 1 in 10,000 more were. */
  readonly mistaken: number;
}

export interface LivePerson {
  /** The least of all ids. */
  readonly person: string;
  /** PersonID in the batch view. */
  readonly batchPerson: string;
  /** PersonIDs of the batch view that edges join it to, ascending, the first `limit` of them. */
  readonly joinedPersons: readonly string[];
  /** Ascending, the first `limit` of them. */
  readonly ids: readonly string[];
  readonly idCount: number;
}

/** Two ids share a coupon with odds of one in so many: 26 bits of address, and values of which the squares of the odds sum to 1/3. */
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

  /** Whether any person of the batch view is joined to another one. */
  get joins(): boolean {
    return this.#read.links > 0;
  }

  /**
   * Replaces the first `count` coupons by those of the PersonIDs that edges have led to; which they were goes to `met`. Returns
   * whether there were any, and how many had to stay although edges are about them.
   */
  rewrite(coupons: Uint32Array, count: number, met: Met): RewriteOutcome {
    const { state, rewrites } = this.#options;
    return rewriteCoupons(state.groups, this.#read, rewrites, coupons, count, met);
  }

  /** For the people of a sketch that `rewrite` has been over. */
  effectOn(people: Rewritten): EdgeEffect {
    const { state, at, rest, index } = this.#options;
    const { overcount, undercount, pairs } =
      at.persons === 0 ? untouched : exposureOf(state, this.#read, index, people);
    return {
      overcount: overcount + at.rejoined + rest.overcount,
      undercount: undercount + rest.undercount,
      rewritten: Math.round(people.replaced.estimate()),
      mistaken: mostPairs((pairs * people.union.estimate()) / couponSpace),
    };
  }

  /** Who a visitor id belongs to. Throws `deadline-exceeded`. */
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
    // Those of further persons come after the first ones of these.
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

  /** The PersonID of a person of the batch view, as far as it is one person with others. */
  personIdOf(batchPerson: string): string {
    const number = this.#numberOf(batchPerson);
    if (number < 0 || !this.#isOne(number)) return batchPerson;
    const { groups } = this.#options.state;
    const { steps } = this.#read;
    return groups.idOf(groups.leastOf(groups.rootOf(number, steps), steps));
  }

  /** Whether an edge may change which ids this person of the mapping has, besides those that have joined it to others. */
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

  /** Whether a person's group is one person: it does not have more ids than the cap allows. */
  #isOne(number: number): boolean {
    const { groups } = this.#options.state;
    const { steps, maxIds } = this.#read;
    return maxIds === 0 || groups.idsOf(groups.rootOf(number, steps), steps) <= maxIds;
  }
}

const untouched = { overcount: 0, undercount: 0, pairs: 0 };
