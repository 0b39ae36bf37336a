/**
 * Visits and bounces of domains by hour: facts dealt to their domains, then sorted by (person, hour, millisecond), in words of 64
 * bits. A view of the same person 30 minutes or more after the one before begins a new visit; a visit of one view is a
 * bounce; both count in the hour the visit began.
 */
import { ByteWriter } from '../../serving/arrays/bytes.js';
import { encodeVisits } from '../../serving/arrays/visits.js';
import { factWords, factsIn, wordsPerFact } from '../facts/dealt.js';
import { bitsOf, millisecondBits, type Kernel } from '../kernel/kernel.js';
import {
  ResultBuilder,
  type SortJob,
  type SortListener,
  type SortResult,
  type SortTables,
} from './sort-job.js';

export const visitGapMs = 30 * 60_000;

/** A time as one number that sorts: its hour's rank, and milliseconds below. */
const hourSpan = 2 ** millisecondBits;

export class VisitPass {
  readonly #tables: SortTables;
  readonly #kernel: Kernel;

  constructor(tables: SortTables, kernel: Kernel) {
    this.#tables = tables;
    this.#kernel = kernel;
  }

  run(job: SortJob, listener: SortListener): SortResult {
    const result = new ResultBuilder(listener);
    const encoded = new ByteWriter();
    const { starts, maxPerson, isInOrder } = this.#gather(job);
    const timeBits = millisecondBits + this.#kernel.hourBits;
    const bits = timeBits + bitsOf(maxPerson + 1);
    for (let domain = job.from; domain < job.to; domain++) {
      const [from, to] = [starts[domain - job.from] ?? 0, starts[domain - job.from + 1] ?? 0];
      if (from === to) continue;
      const at = this.#kernel.sort(from, to, isInOrder ? timeBits : 0, bits);
      const { ranks, counts } = this.#kernel.visits(at, at + 8 * (to - from), visitGapMs);
      ranks.sort();
      encodeVisits(encoded, this.#taken(ranks, counts));
      result.visits(domain, encoded.length);
    }
    listener.onRows(starts.at(-1) ?? 0);
    return result.finish(encoded.view());
  }

  *#taken(
    ranks: Uint32Array,
    counts: Uint32Array,
  ): Generator<{ bucket: number; visits: number; bounces: number }> {
    for (const rank of ranks) {
      yield {
        bucket: this.#tables.hours[rank] ?? 0,
        visits: counts[2 * rank] ?? 0,
        bounces: counts[2 * rank + 1] ?? 0,
      };
      counts[2 * rank] = 0;
      counts[2 * rank + 1] = 0;
    }
  }

  /**
   * Makes words of the job's facts, domain after domain; returns where each begins, the greatest person among them, and whether the
   * facts of each domain are in order of their times.
   */
  #gather({ fromShard, toShard, from, to, part }: SortJob): {
    readonly starts: Uint32Array;
    readonly maxPerson: number;
    readonly isInOrder: boolean;
  } {
    const { blocks, subjectOf } = this.#tables;
    const ofPage = subjectOf.domains ?? new Uint32Array(0);
    const [parts, index] = [part?.parts ?? 1, part?.index ?? 0];
    const starts = new Uint32Array(to - from + 1);
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard);
      for (let at = 0; at < facts.length; at += wordsPerFact) {
        if (parts > 1 && (facts[at + factWords.person] ?? 0) % parts !== index) continue;
        const after = (ofPage[facts[at + factWords.page] ?? 0] ?? 0) - from + 1;
        starts[after] = (starts[after] ?? 0) + 1;
      }
    }
    for (let domain = 1; domain < starts.length; domain++)
      starts[domain] = (starts[domain] ?? 0) + (starts[domain - 1] ?? 0);
    const words = this.#kernel.words(starts.at(-1) ?? 0);
    const next = starts.slice();
    const personShift = millisecondBits + this.#kernel.hourBits; // of 64 bits
    const [lowBits, highShift] = [32 - millisecondBits, personShift - 32];
    const lastTimes = new Float64Array(to - from);
    let isInOrder = true;
    let maxPerson = 0;
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard);
      for (let at = 0; at < facts.length; at += wordsPerFact) {
        let person = facts[at + factWords.person] ?? 0;
        if (parts > 1) {
          if (person % parts !== index) continue;
          person = Math.floor(person / parts);
        }
        if (person > maxPerson) maxPerson = person;
        const domain = (ofPage[facts[at + factWords.page] ?? 0] ?? 0) - from;
        const place = next[domain] ?? 0;
        next[domain] = place + 1;
        const hour = facts[at + factWords.hour] ?? 0;
        const millisecond = facts[at + factWords.millisecond] ?? 0;
        const time = hour * hourSpan + millisecond;
        if (time < (lastTimes[domain] ?? 0)) isInOrder = false;
        lastTimes[domain] = time;
        let low = (hour << millisecondBits) | millisecond;
        let high = hour >>> lowBits;
        if (highShift >= 0) high |= person << highShift;
        else {
          low |= person << (32 + highShift);
          high |= person >>> -highShift;
        }
        words[2 * place] = low;
        words[2 * place + 1] = high;
      }
    }
    return { starts, maxPerson, isInOrder };
  }
}
