/** Numbers (thing, bucket) pairs from 0 within one epoch. A thing stores its own numbers, so finding one needs no hash look-up. */

export abstract class Numbered {
  /**
   * `id` of the owner of the numbers below; under any other owner the thing has none yet. Not the owner itself: a cached thing would keep
   * the numbers of a whole epoch in memory.
   */
  numbers = 0;
  /** Cache of the last look-up: a number and its bucket. */
  recent = 0;
  recentBucket = 0;
  /** Head of the thing's list of numbers: the latest one. */
  newest = 0;
}

export const noNumber = -1;

let made = 0;

export class BucketNumbers {
  readonly id = ++made;
  /** By number: its bucket. */
  readonly buckets: number[] = [];
  /** By number: the thing's previous number, or `noNumber`. Most things have one or two. */
  readonly #others: number[] = [];

  /** The number of a thing in a bucket; `noNumber` if it has none yet. */
  find(thing: Numbered, bucket: number): number {
    if (thing.numbers !== this.id) return noNumber;
    if (thing.recentBucket === bucket) return thing.recent;
    let number = thing.newest;
    while (number !== noNumber && this.buckets[number] !== bucket) number = this.#others[number] ?? noNumber;
    if (number === noNumber) return noNumber;
    thing.recent = number;
    thing.recentBucket = bucket;
    return number;
  }

  /** Assigns the next number to a thing that has none in this bucket. */
  add(thing: Numbered, bucket: number): number {
    const number = this.buckets.push(bucket) - 1;
    this.#others.push(thing.numbers === this.id ? thing.newest : noNumber);
    thing.numbers = this.id;
    thing.newest = number;
    thing.recent = number;
    thing.recentBucket = bucket;
    return number;
  }
}
