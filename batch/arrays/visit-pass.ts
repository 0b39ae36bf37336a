/**
 * Visits and bounces of domains by hour: facts dealt to their domains, then sorted by (person, hour, millisecond), in words of 64
 * bits. A view of the same person 30 minutes or more after the one before begins a new visit; a visit of one view is a
 * bounce; both count in the hour the visit began.
 */
import { sumUp } from '../../lib/memory/counting-sort.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { encodeVisits } from '../../serving/arrays/visits.js';
import { factWords, factsIn, type ReadFacts } from './dealt.js';
import { bitsOf, millisecondBits, type Kernel } from './kernel.js';
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
  readonly #hasher: KeyedHash;
  readonly #readFacts: ReadFacts;

  constructor(
    tables: SortTables,
    kernel: Kernel,
    { hasher, readFacts }: { readonly hasher: KeyedHash; readonly readFacts: ReadFacts },
  ) {
    this.#tables = tables;
    this.#kernel = kernel;
    this.#hasher = hasher;
    this.#readFacts = readFacts;
  }

  run(job: SortJob, listener: SortListener): SortResult {
    const result = new ResultBuilder(listener, this.#hasher);
    const encoded = new ByteWriter();
    const { starts, maxPerson, isInOrder } = this.#gather(job);
    const timeBits = millisecondBits + this.#kernel.hourBits;
    const bits = timeBits + bitsOf(maxPerson + 1);
    for (let domain = job.from; domain < job.to; domain++) {
      const [from, to] = [starts[domain - job.from], starts[domain - job.from + 1]];
      if (from === to) continue;
      const at = this.#kernel.sort(from, to, isInOrder ? timeBits : 0, bits);
      const { ranks, counts } = this.#kernel.visits(at, at + 8 * (to - from), visitGapMs);
      ranks.sort();
      encodeVisits(encoded, this.#taken(ranks, counts));
      result.visits(domain, encoded.length);
    }
    listener.onRows(starts[job.to - job.from]);
    return result.finish(encoded.view());
  }

  *#taken(
    ranks: Uint32Array,
    counts: Uint32Array,
  ): Generator<{ bucket: number; visits: number; bounces: number }> {
    for (const rank of ranks) {
      yield {
        bucket: this.#tables.hours[rank],
        visits: counts[2 * rank],
        bounces: counts[2 * rank + 1],
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
    const { blocks, domainOfRank } = this.#tables;
    const [parts, index] = [part?.parts ?? 1, part?.index ?? 0];
    const starts = new Uint32Array(to - from + 1);
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#readFacts);
      for (let at = 0; at < facts.length; at += block.stride) {
        if (parts > 1 && facts[at + factWords.person] % parts !== index) continue;
        starts[domainOfRank[facts[at + factWords.page]] - from + 1]++;
      }
    }
    sumUp(starts);
    const words = this.#kernel.words(starts[to - from]);
    const next = starts.slice();
    const personShift = millisecondBits + this.#kernel.hourBits; // of 64 bits
    const [lowBits, highShift] = [32 - millisecondBits, personShift - 32];
    const lastTimes = new Float64Array(to - from);
    let isInOrder = true;
    let maxPerson = 0;
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#readFacts);
      for (let at = 0; at < facts.length; at += block.stride) {
        let person = facts[at + factWords.person];
        if (parts > 1) {
          if (person % parts !== index) continue;
          person = Math.floor(person / parts);
        }
        if (person > maxPerson) maxPerson = person;
        const domain = domainOfRank[facts[at + factWords.page]] - from;
        const place = next[domain]++;
        const hour = facts[at + factWords.hour];
        const millisecond = facts[at + factWords.millisecond];
        const time = hour * hourSpan + millisecond;
        if (time < lastTimes[domain]) isInOrder = false;
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
