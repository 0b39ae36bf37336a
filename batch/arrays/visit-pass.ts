/**
 * Visits of domains by bucket, with their bounces, pageviews and durations: facts are dealt to their domains, then sorted by (person, bucket,
 * millisecond), in words of 64 bits. A view of the same person 30 minutes or more after the one before begins a new visit; a visit of one
 * view is a bounce; all of a visit counts in the bucket in which it began.
 */
import { prefixSums } from '../../lib/memory/counting-sort.js';
import { ByteWriter } from '../../serving/arrays/bytes.js';
import type { VisitCell } from '../../facts/views/cell.js';
import { encodeVisits } from '../../serving/arrays/visits.js';
import { factWords, factsIn } from './dealt.js';
import { bitsOf, millisecondBits, visitWords } from './kernel.js';
import { ResultBuilder, type SortJob, type SortListener, type SortResult } from './sort-job.js';
import type { SortTools } from './sort-tools.js';

export const visitGapMs = 30 * 60_000;

/** A time as one number that sorts: its bucket's rank, and milliseconds below. */
const bucketSpan = 2 ** millisecondBits;

export class VisitPass {
  readonly #tools: SortTools;

  constructor(tools: SortTools) {
    this.#tools = tools;
  }

  run(job: SortJob, listener: SortListener): SortResult {
    const result = new ResultBuilder(listener, this.#tools.hasher);
    const encoded = new ByteWriter();
    const { starts, maxPerson, isInOrder } = this.#gather(job);
    const timeBits = millisecondBits + this.#tools.kernel.bucketBits;
    const bits = timeBits + bitsOf(maxPerson + 1);
    for (let domain = job.from; domain < job.to; domain++) {
      const [from, to] = [starts[domain - job.from], starts[domain - job.from + 1]];
      if (from === to) continue;
      const at = this.#tools.kernel.sort(from, to, isInOrder ? timeBits : 0, bits);
      const { ranks, counts } = this.#tools.kernel.visits(at, at + 8 * (to - from), visitGapMs);
      ranks.sort();
      encodeVisits(encoded, this.#taken(ranks, counts));
      result.visits(domain, encoded.length);
    }
    listener.onRows(starts[job.to - job.from]);
    return result.finish(encoded.view());
  }

  *#taken(ranks: Uint32Array, counts: Uint32Array): Generator<VisitCell> {
    for (const rank of ranks) {
      const at = visitWords.count * rank;
      yield {
        bucket: this.#tools.tables.buckets[rank],
        visits: counts[at + visitWords.visits],
        bounces: counts[at + visitWords.bounces],
        pageviews: counts[at + visitWords.pageviews],
        durationMs: counts[at + visitWords.lowMs] + 2 ** 32 * counts[at + visitWords.highMs],
      };
      counts.fill(0, at, at + visitWords.count);
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
    const { blocks, domainOfRank } = this.#tools.tables;
    const [parts, index] = [part?.parts ?? 1, part?.index ?? 0];
    const starts = new Uint32Array(to - from + 1);
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#tools.readFacts);
      for (let at = 0; at < facts.length; at += block.stride) {
        if (parts > 1 && facts[at + factWords.person] % parts !== index) continue;
        starts[domainOfRank[facts[at + factWords.page]] - from + 1]++;
      }
    }
    prefixSums(starts);
    const words = this.#tools.kernel.words(starts[to - from]);
    const next = starts.slice();
    const personShift = millisecondBits + this.#tools.kernel.bucketBits; // of 64 bits
    const [lowBits, highShift] = [32 - millisecondBits, personShift - 32];
    const lastTimes = new Float64Array(to - from);
    let isInOrder = true;
    let maxPerson = 0;
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#tools.readFacts);
      for (let at = 0; at < facts.length; at += block.stride) {
        let person = facts[at + factWords.person];
        if (parts > 1) {
          if (person % parts !== index) continue;
          person = Math.floor(person / parts);
        }
        if (person > maxPerson) maxPerson = person;
        const domain = domainOfRank[facts[at + factWords.page]] - from;
        const place = next[domain]++;
        const bucket = facts[at + factWords.bucket];
        const millisecond = facts[at + factWords.millisecond];
        const time = bucket * bucketSpan + millisecond;
        if (time < lastTimes[domain]) isInOrder = false;
        lastTimes[domain] = time;
        let low = (bucket << millisecondBits) | millisecond;
        let high = bucket >>> lowBits;
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
