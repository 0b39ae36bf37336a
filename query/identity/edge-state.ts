/**
 * Who the edges that wait in one generation join, and what they can still do to counts of people, edge by edge.
 *
 * The batch view's mapping has persons; ids it does not know are persons of one id. All equiv facts join: persons in one group
 * are taken for one. Which of several facts on one pair wins is not asked: where a pair was retracted as well, before or after, its
 * group is in doubt. What the next batch run will say is between that and a second extreme, which is kept here, too: every retraction takes
 * a person of the mapping apart, into one more each. Repeats are harmless: a pair joins once, and is counted once among retractions.
 *
 * With a cap of ids a person there is more. A person whose group has others may be taken apart into all of its ids. And a
 * retraction between two ids that stand alone may mean that they are of a person over the cap, which the mapping does not
 * know: its ids, whichever they are, may be joined again in two persons of as many ids as the cap allows.
 */
import { coupon } from 'hyperloglog-ts';
import { TextNumbers } from '../../lib/memory/text-numbers.js';
import { reaches } from '../../log/cut.js';
import { offset, type Offsets } from '../../log/log.js';
import type { BatchView, EdgeBlock, WaitingEdge } from '../../facts/views/view.js';
import { PersonGroups } from '../arrays/person-groups.js';
import { Raises } from '../arrays/raises.js';

/** A state that edge after edge has led to: it stays what it was when more come. */
export interface Milestone {
  /** The edges before these positions have been read. */
  readonly next: Partial<Offsets>;
  /** How many they were. */
  readonly equivs: number;
  readonly retractions: number;
  readonly persons: number;
  readonly links: number;
  readonly steps: number;
  /** Of all groups together. */
  readonly doubts: number;
  readonly raiseSteps: number;
  /** Of all persons together. */
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
 * States that answers at older cuts may ask for: those after each of the last edges, as far as a block has so many. An answer is made
 * at the cut it was begun with, and others may have read newer edges meanwhile.
 */
const milestonesKept = 4_096;
const milestonesOfBlock = 1_024;

export type Mapping = Pick<BatchView, 'idCountOf' | 'meta' | 'personOf'>;

export class EdgeState {
  readonly groups = new PersonGroups();
  readonly raises = new Raises();
  readonly #persons = new TextNumbers();
  readonly #retracted = new TextNumbers();
  /** Of persons that had to be asked for. */
  readonly #idCounts = new Map<string, number>();
  /** The last ones, in order. */
  readonly #milestones: Milestone[] = [nothingRead];
  #rejoined = 0;

  /** As it is now. */
  get now(): Milestone {
    return this.#milestones.at(-1) ?? nothingRead;
  }

  /** The last state in which no edge at or after a cut had been read. */
  at(cut: Partial<Offsets>): Milestone {
    return this.#milestones.findLast(({ next }) => reaches(cut, next)) ?? nothingRead;
  }

  /** Takes the block that comes next; what was in earlier ones is passed over. The mapping is the batch view's. */
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

  /** The number of a person of the mapping that an edge can change; -1 for others. */
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
    if (areJoined) this.groups.doubt(number); // maybe by this very pair
    if (maxPersonIds === 0) return; // no edge of the batch view's joins the pair
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
