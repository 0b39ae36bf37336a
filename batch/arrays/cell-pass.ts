/** Makes the cells of pages or of domains: encodes each fact as a word (word-cells.ts) of the subject it counts for. */
import { factWords, factsIn } from './dealt.js';
import {
  ResultBuilder,
  type SortJob,
  type SortListener,
  type SortResult,
  type SortTables,
} from './sort-job.js';
import type { SortTools } from './sort-tools.js';
import type { Words } from './word-cells.js';

export class CellPass {
  readonly #tools: SortTools;

  constructor(tools: SortTools) {
    this.#tools = tools;
  }

  run(job: SortJob, kind: 'pages' | 'domains', listener: SortListener): SortResult {
    const result = new ResultBuilder(listener, this.#tools.hasher);
    const words = this.#gather(job, kind);
    if (job.part === undefined) this.#tools.cells.blocks(words, result, job.from);
    const part = job.part === undefined ? undefined : this.#tools.cells.part(words);
    listener.onRows(words.count);
    return result.finish(undefined, part);
  }

  /** Encodes the job's facts as words. Returns their number, and whether those of each subject are in bucket order. */
  #gather({ fromShard, toShard, from, to, part }: SortJob, kind: 'pages' | 'domains'): Words {
    const { blocks, domainOfRank, buckets } = this.#tools.tables;
    const ofPage = kind === 'pages' ? undefined : domainOfRank;
    const { bucketBits } = this.#tools.kernel;
    const [fromBucket, toBucket] = [part?.fromBucket ?? 0, part?.toBucket ?? buckets.length];
    const touched = blocks.filter((block) => block.fromBucket < toBucket && block.toBucket > fromBucket);
    const most = touched.reduce((sum, { starts }) => sum + starts[toShard] - starts[fromShard], 0);
    const words = this.#tools.kernel.words(
      part === undefined ? most : this.#countIn(touched, fromShard, toShard, fromBucket, toBucket),
    );
    const lastBuckets = new Uint32Array(to - from);
    let filled = 0;
    let isInOrder = true;
    for (const block of touched) {
      const facts = factsIn(block, fromShard, toShard, this.#tools.readFacts);
      for (let fact = 0; fact < facts.length; fact += block.stride) {
        const bucket = facts[fact + factWords.bucket];
        if (bucket < fromBucket || bucket >= toBucket) continue;
        const page = facts[fact + factWords.page];
        const subject = ofPage === undefined ? page : ofPage[page];
        if (bucket < lastBuckets[subject - from]) isInOrder = false;
        lastBuckets[subject - from] = bucket;
        words[filled] = facts[fact + factWords.coupon];
        words[filled + 1] = ((subject - from) << bucketBits) | bucket;
        filled += 2;
      }
    }
    return { count: filled / 2, subjects: to - from, isInOrder };
  }

  #countIn(
    blocks: SortTables['blocks'],
    fromShard: number,
    toShard: number,
    fromBucket: number,
    toBucket: number,
  ): number {
    let count = 0;
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#tools.readFacts);
      for (let at = factWords.bucket; at < facts.length; at += block.stride)
        if (facts[at] >= fromBucket && facts[at] < toBucket) count++;
    }
    return count;
  }
}
