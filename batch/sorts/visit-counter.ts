/**
 * Visits and bounces of one domain by hour. A view of the same person 30 minutes or more after the one before begins a
 * new visit; a visit of one view is a bounce; both count in the hour the visit began.
 */
import { sortNumbers } from '../../lib/sort-numbers.js';
import { hourMs } from '../../lib/time/buckets.js';
import type { VisitCell } from '../../lib/views/view.js';
import type { ByteWriter } from '../../serving/bytes.js';
import { encodeVisits } from '../../serving/visits.js';
import type { HourOrder } from './hour-order.js';

export const visitGapMs = 30 * 60_000;

/** A view's time as one number that sorts: its hour's rank, and milliseconds in so many bits below. */
const millisecondSpan = 2 ** 22;

export class VisitCounter {
  readonly #hours: HourOrder;
  readonly #visits: Uint32Array;
  readonly #bounces: Uint32Array;
  /** Ranks of the hours of this domain, in order of appearance. */
  #seen: number[] = [];
  #times = new Float64Array(64);

  constructor(hours: HourOrder) {
    this.#hours = hours;
    this.#visits = new Uint32Array(hours.count);
    this.#bounces = new Uint32Array(hours.count);
  }

  /** All views of one person on the domain, in any order: rows [from, to) of (person, hour number, millisecond). */
  addPerson(rows: Uint32Array, from: number, to: number): void {
    const count = to - from;
    const { rankOf } = this.#hours;
    if (count === 1) {
      this.#count(rankOf[rows[3 * from + 1] ?? 0] ?? 0, 1);
      return;
    }
    if (count > this.#times.length) this.#times = new Float64Array(2 * count);
    const times = this.#times.subarray(0, count);
    for (let i = 0, at = 3 * from; i < count; i++, at += 3)
      times[i] = (rankOf[rows[at + 1] ?? 0] ?? 0) * millisecondSpan + (rows[at + 2] ?? 0);
    sortNumbers(times, 0, count);
    let first = 0;
    while (first < count) {
      let next = first + 1;
      while (next < count && this.#timeOf(times[next]) - this.#timeOf(times[next - 1]) < visitGapMs) next++;
      this.#count(Math.floor((times[first] ?? 0) / millisecondSpan), next - first === 1 ? 1 : 0);
      first = next;
    }
  }

  /** Writes the hours in order and forgets them. */
  encode(out: ByteWriter): void {
    const ranks = Uint32Array.from(this.#seen).toSorted();
    encodeVisits(
      out,
      Array.from(ranks, (rank) => this.#take(rank)),
    );
    this.#seen = [];
  }

  #timeOf(time = 0): number {
    return (this.#hours.hourAt[Math.floor(time / millisecondSpan)] ?? 0) * hourMs + (time % millisecondSpan);
  }

  #count(rank: number, bounces: number): void {
    const visits = this.#visits[rank] ?? 0;
    if (visits === 0) this.#seen.push(rank);
    this.#visits[rank] = visits + 1;
    this.#bounces[rank] = (this.#bounces[rank] ?? 0) + bounces;
  }

  #take(rank: number): VisitCell {
    const taken = {
      bucket: this.#hours.hourAt[rank] ?? 0,
      visits: this.#visits[rank] ?? 0,
      bounces: this.#bounces[rank] ?? 0,
    };
    this.#visits[rank] = 0;
    this.#bounces[rank] = 0;
    return taken;
  }
}
