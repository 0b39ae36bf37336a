/** The cells of pages, or of domains: facts as words (word-cells.ts), for the subject that each counts for. */
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { factWords, factsIn, type ReadFacts } from './dealt.js';
import type { Kernel } from './kernel.js';
import {
  ResultBuilder,
  type SortJob,
  type SortListener,
  type SortResult,
  type SortTables,
} from './sort-job.js';
import type { WordCells, Words } from './word-cells.js';

export class CellPass {
  readonly #tables: SortTables;
  readonly #kernel: Kernel;
  readonly #cells: WordCells;
  readonly #hasher: KeyedHash;
  readonly #readFacts: ReadFacts;

  constructor(
    tables: SortTables,
    kernel: Kernel,
    {
      cells,
      hasher,
      readFacts,
    }: { readonly cells: WordCells; readonly hasher: KeyedHash; readonly readFacts: ReadFacts },
  ) {
    this.#tables = tables;
    this.#kernel = kernel;
    this.#cells = cells;
    this.#hasher = hasher;
    this.#readFacts = readFacts;
  }

  run(job: SortJob, kind: 'pages' | 'domains', listener: SortListener): SortResult {
    const result = new ResultBuilder(listener, this.#hasher);
    const words = this.#gather(job, kind);
    if (job.part === undefined) this.#cells.blocks(words, result, job.from);
    const part = job.part === undefined ? undefined : this.#cells.part(words);
    listener.onRows(words.count);
    return result.finish(undefined, part);
  }

  /** Makes words of the job's facts; returns how many, and whether those of each subject are in order of their hours. */
  #gather({ fromShard, toShard, from, to, part }: SortJob, kind: 'pages' | 'domains'): Words {
    const { blocks, domainOfRank, hours } = this.#tables;
    const ofPage = kind === 'pages' ? undefined : domainOfRank;
    const { hourBits } = this.#kernel;
    const [fromHour, toHour] = [part?.fromHour ?? 0, part?.toHour ?? hours.length];
    const touched = blocks.filter((block) => block.fromHour < toHour && block.toHour > fromHour);
    const most = touched.reduce((sum, { starts }) => sum + starts[toShard] - starts[fromShard], 0);
    const words = this.#kernel.words(
      part === undefined ? most : this.#countIn(touched, fromShard, toShard, fromHour, toHour),
    );
    const lastHours = new Uint32Array(to - from);
    let filled = 0;
    let isInOrder = true;
    for (const block of touched) {
      const facts = factsIn(block, fromShard, toShard, this.#readFacts);
      for (let fact = 0; fact < facts.length; fact += block.stride) {
        const hour = facts[fact + factWords.hour];
        if (hour < fromHour || hour >= toHour) continue;
        const page = facts[fact + factWords.page];
        const subject = ofPage === undefined ? page : ofPage[page];
        if (hour < lastHours[subject - from]) isInOrder = false;
        lastHours[subject - from] = hour;
        words[filled] = facts[fact + factWords.coupon];
        words[filled + 1] = ((subject - from) << hourBits) | hour;
        filled += 2;
      }
    }
    return { count: filled / 2, subjects: to - from, isInOrder };
  }

  #countIn(
    blocks: SortTables['blocks'],
    fromShard: number,
    toShard: number,
    fromHour: number,
    toHour: number,
  ): number {
    let count = 0;
    for (const block of blocks) {
      const facts = factsIn(block, fromShard, toShard, this.#readFacts);
      for (let at = factWords.hour; at < facts.length; at += block.stride)
        if (facts[at] >= fromHour && facts[at] < toHour) count++;
    }
    return count;
  }
}
