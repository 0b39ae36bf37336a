/** Numbers from 0 for things in buckets, for the time of one epoch. A thing knows its own, so they are found without a search. */

export abstract class Numbered {
  /** What is said below is about these. */
  numbers: BucketNumbers | undefined;
  /** The number that was asked for last, and its bucket. */
  recent = 0;
  recentBucket = 0;
  /** The number that was given last. */
  newest = 0;
}

export const noNumber = -1;

export class BucketNumbers {
  /** By number. */
  readonly buckets: number[] = [];
  /** By number: another one of the same thing: mostly it has one or two. */
  readonly #others: number[] = [];

  /** `noNumber` when it has none yet. */
  find(thing: Numbered, bucket: number): number {
    if (thing.numbers !== this) return noNumber;
    if (thing.recentBucket === bucket) return thing.recent;
    let number = thing.newest;
    while (number !== noNumber && this.buckets[number] !== bucket) number = this.#others[number] ?? noNumber;
    if (number === noNumber) return noNumber;
    thing.recent = number;
    thing.recentBucket = bucket;
    return number;
  }

  /** Gives the next number to a thing that has none in this bucket. */
  add(thing: Numbered, bucket: number): number {
    const number = this.buckets.push(bucket) - 1;
    this.#others.push(thing.numbers === this ? thing.newest : noNumber);
    thing.numbers = this;
    thing.newest = number;
    thing.recent = number;
    thing.recentBucket = bucket;
    return number;
  }
}
