/**
 * Resolves the waiting edges of one generation: which persons they join, and how else they can change counts of people, edge by edge.
 *
 * Nodes are the persons of the batch view's mapping; an id it does not know is a person of one id. All equiv facts join: persons in one group
 * count as one. This ignores which of several facts on a pair wins: if a pair was also retracted, before or after, its group is marked as in
 * doubt. The next batch run's result lies between this extreme and a second one, which is tracked as well: every retraction splits a person of
 * the mapping into one more. Repeats are harmless: a pair joins once, and counts once among retractions.
 *
 * A cap of ids per person adds two cases. A joined person may be split into all of its ids, if its group is over the cap. And a retraction
 * between two ids that stand alone may concern a person over the cap, which the mapping does not contain: its ids, whichever they are, may be
 * joined again into two persons of as many ids as the cap allows.
 */
import { coupon } from 'hyperloglog-ts';
import { TextNumbers } from '../../lib/memory/text-numbers.js';
import { reaches } from '../../log/cut.js';
import { offset, type Offsets } from '../../log/log.js';
import type { BatchView, EdgeBlock, WaitingEdge } from '../../facts/views/view.js';
import { PersonGroups } from '../arrays/person-groups.js';
import { Raises } from '../arrays/raises.js';

/** A snapshot of the state after some edge; it stays valid when more edges come. */
export interface Milestone {
  /** The edges before these positions have been read. */
  readonly next: Partial<Offsets>;
  /** Numbers of edges read. */
  readonly equivs: number;
  readonly retractions: number;
  readonly persons: number;
  readonly links: number;
  readonly steps: number;
  /** Sum over all groups. */
  readonly doubts: number;
  readonly raiseSteps: number;
  /** Sum over all persons. */
  readonly raises: number;
  /** By how much persons over the cap can lower any count. */
  readonly rejoined: number;
}

export const nothingRead: Milestone = {
  next: {},
  equivs: 0,
  retractions: 0,
  persons: 0,
  links: 0,
  steps: 0,
  doubts: 0,
  raiseSteps: 0,
  raises: 0,
  rejoined: 0,
};

/**
 * Number of milestones kept for answers at older cuts: an answer uses the cut it started with, while others may have read newer edges. Per
 * block, milestones exist only for its last edges.
 */
const milestonesKept = 4_096;
const milestonesOfBlock = 1_024;

export type Mapping = Pick<BatchView, 'idCountOf' | 'meta' | 'personOf'>;

export class EdgeState {
  readonly groups = new PersonGroups();
  readonly raises = new Raises();
  readonly #persons = new TextNumbers();
  readonly #retracted = new TextNumbers();
  /** Cached numbers of ids of persons. */
  readonly #idCounts = new Map<string, number>();
  /** The latest milestones, in order. */
  readonly #milestones: Milestone[] = [nothingRead];
  #rejoined = 0;

  /** The current milestone. */
  get now(): Milestone {
    return this.#milestones.at(-1) ?? nothingRead;
  }

  /** The latest milestone without any edge at or after a cut. */
  at(cut: Partial<Offsets>): Milestone {
    return this.#milestones.findLast(({ next }) => reaches(cut, next)) ?? nothingRead;
  }

  /** Adds the next block, skipping edges of earlier blocks. `mapping`: that of the batch view. */
  add({ partition, next, edges }: EdgeBlock, mapping: Mapping): void {
    const before = this.now;
    const from = before.next[partition] ?? 0;
    let { equivs, retractions } = before;
    for (const [i, edge] of edges.entries()) {
      if (edge.offset < from) continue;
      if (edge.type === 'equiv') {
        this.#join(edge, mapping);
        equivs++;
      } else {
        this.#takeApart(edge, mapping);
        retractions++;
      }
      if (edges.length - i > milestonesOfBlock) continue;
      this.#remember({ ...before.next, [partition]: offset(edge.offset + 1) }, equivs, retractions);
    }
    this.#remember({ ...before.next, [partition]: next }, equivs, retractions);
  }

  #remember(next: Milestone['next'], equivs: number, retractions: number): void {
    if (this.#milestones.length === 2 * milestonesKept) this.#milestones.splice(0, milestonesKept);
    this.#milestones.push({
      next,
      equivs,
      retractions,
      persons: this.groups.count,
      links: this.groups.links,
      steps: this.groups.steps,
      doubts: this.groups.doubts,
      raiseSteps: this.raises.steps,
      raises: this.raises.total,
      rejoined: this.#rejoined,
    });
  }

  /** Number of a person of the mapping that an edge can change; -1 for other persons. */
  numberOf(person: string): number {
    return this.#persons.get(person);
  }

  #join({ a, b }: WaitingEdge, mapping: Mapping): void {
    const [personA, personB] = [mapping.personOf(a), mapping.personOf(b)];
    if (personA === personB) return;
    const [numberA, numberB] = [this.#add(personA, mapping), this.#add(personB, mapping)];
    if (!this.groups.areJoined(numberA, numberB)) {
      this.groups.join(numberA, numberB);
      if (this.#isRetracted(a, b)) this.groups.doubt(numberA);
    }
    if (mapping.meta.maxPersonIds === 0) return;
    for (const [person, number] of [
      [personA, numberA],
      [personB, numberB],
    ] as const) {
      const others = this.#idCount(person, mapping) - 1;
      this.raises.add(number, others, others);
    }
  }

  #takeApart({ a, b }: WaitingEdge, mapping: Mapping): void {
    if (!this.#isNew(a, b)) return;
    const [person, other] = [mapping.personOf(a), mapping.personOf(b)];
    const { maxPersonIds } = mapping.meta;
    if (person === other) {
      const number = this.#add(person, mapping);
      this.raises.add(number, 1, this.#idCount(person, mapping) - 1);
      this.groups.doubt(number);
      return;
    }
    const [number, numberOfOther] = [this.numberOf(person), this.numberOf(other)];
    const areJoined = number >= 0 && numberOfOther >= 0 && this.groups.areJoined(number, numberOfOther);
    if (areJoined) this.groups.doubt(number); // this pair may be the one that joined them
    if (maxPersonIds === 0) return; // no edge of the batch view joins the pair
    if (this.#idCount(person, mapping) === 1 && this.#idCount(other, mapping) === 1)
      this.#rejoined += 2 * (maxPersonIds - 1);
  }

  #idCount(person: string, mapping: Mapping): number {
    const known = this.#idCounts.get(person);
    if (known !== undefined) return known;
    const count = mapping.idCountOf(person);
    this.#idCounts.set(person, count);
    return count;
  }

  /** False for a pair that was retracted before. */
  #isNew(a: string, b: string): boolean {
    const pairs = this.#retracted.count;
    return this.#retracted.add(pairName(a, b)) === pairs;
  }

  #isRetracted(a: string, b: string): boolean {
    return this.#retracted.count > 0 && this.#retracted.get(pairName(a, b)) >= 0;
  }

  #add(person: string, mapping: Mapping): number {
    const known = this.#persons.get(person);
    if (known >= 0) return known;
    this.#persons.add(person);
    const ids = mapping.meta.maxPersonIds === 0 ? 1 : this.#idCount(person, mapping);
    return this.groups.add(person, coupon(person), ids);
  }
}

function pairName(a: string, b: string): string {
  const [first, second] = a < b ? [a, b] : [b, a];
  return `${first.length} ${first}${second}`;
}
