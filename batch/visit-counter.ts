/**
 * Visits and bounces of one domain by hour. A view of the same person 30 minutes or more after the one before begins a
 * new visit; a visit of one view is a bounce; both count in the hour the visit began.
 */
import { hourOf } from '../lib/time/buckets.js';
import type { ByteWriter } from '../serving/bytes.js';
import { encodeVisits } from '../serving/view-writer.js';

export const visitGapMs = 30 * 60_000;

export class VisitCounter {
  #hours = new Map<number, { hour: number; visits: number; bounces: number }>();

  /** All views of one person on the domain: `times[from, to)`, ascending UTC milliseconds. */
  addPerson(times: Float64Array, from: number, to: number): void {
    let first = from;
    while (first < to) {
      let next = first + 1;
      while (next < to && (times[next] ?? 0) - (times[next - 1] ?? 0) < visitGapMs) next++;
      this.#count(hourOf(times[first] ?? 0), next - first === 1 ? 1 : 0);
      first = next;
    }
  }

  /** Writes the hours in order and forgets them. */
  encode(out: ByteWriter): void {
    const hours = [...this.#hours.values()].toSorted((a, b) => a.hour - b.hour);
    encodeVisits(out, hours);
    this.#hours = new Map();
  }

  #count(hour: number, bounces: number): void {
    const cell = this.#hours.get(hour);
    if (cell === undefined) {
      this.#hours.set(hour, { hour, visits: 1, bounces });
    } else {
      cell.visits++;
      cell.bounces += bounces;
    }
  }
}
