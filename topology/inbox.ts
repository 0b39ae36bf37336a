/**
 * The queue in front of a task: a ring buffer of tuples.
 *
 * Back-pressure bounds it, not rejection: the engine does not run upstream tasks while it is `full`, but a call that is
 * already running may emit any number of tuples up to the hard limit, where the emit throws. So the queue holds at most
 * `limit` tuples plus what one call emits.
 */
import { TopologyError } from './errors.js';
import type { Tuple } from './tuple.js';

/** Maximum queue length; an emit beyond it throws. */
const hardLimit = 1 << 20;

export class Inbox {
  private ring: (Tuple | undefined)[];
  private head = 0;
  private count = 0;

  constructor(private readonly limit: number) {
    this.ring = Array.from<undefined>({ length: powerOfTwoFrom(Math.min(limit, 64)) });
  }

  get length(): number {
    return this.count;
  }

  get full(): boolean {
    return this.count >= this.limit;
  }

  push(tuple: Tuple): void {
    if (this.count === this.ring.length) this.grow();
    this.ring[(this.head + this.count) & (this.ring.length - 1)] = tuple;
    this.count++;
  }

  shift(): Tuple | undefined {
    if (this.count === 0) return undefined;
    const tuple = this.ring[this.head];
    this.ring[this.head] = undefined;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.count--;
    return tuple;
  }

  private grow(): void {
    const { length } = this.ring;
    if (length >= hardLimit)
      throw new TopologyError('topology.queue-full', `more than ${hardLimit} tuples queued for one task`);
    const bigger = Array.from<Tuple | undefined>({ length: length * 2 });
    for (let i = 0; i < length; i++) bigger[i] = this.ring[(this.head + i) & (length - 1)];
    this.ring = bigger;
    this.head = 0;
  }
}

function powerOfTwoFrom(n: number): number {
  let size = 1;
  while (size < n) size *= 2;
  return size;
}
