/**
 * By how much the edges that wait can change one count of people: only as far as they are about people whom its sketch may
 * hold. A sketch of coupons says who that is; one of registers may hold a person when the register of the person's slot is
 * at least as large as the coupon's value.
 */
import type { HllUnion } from 'hyperloglog-ts';
import type { EdgeState, Milestone } from './edge-state.js';
import { exposureOf, type Slack } from '../arrays/exposure.js';
import type { SlotIndex } from '../arrays/slot-index.js';

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
    const { state, at, index } = this.#options;
    return exposureOf(state, at, index, union, people) ?? { overcount: at.links, undercount: at.raises };
  }
}

const none: Slack = { overcount: 0, undercount: 0 };
