/**
 * The facts of a run, each as five 32-bit numbers: page, person, hour (numbers of the run's dictionaries), millisecond
 * within the hour, and the person's coupon, which would be a costly look-up for whoever sorts the facts. They lie in shards,
 * all facts of a domain in one: what groups the facts of a shard finds them in the processor's cache, and threads can
 * share the shards among them.
 *
 * A shard is a list of blocks of shared memory, which threads read without a copy; beyond a limit full blocks go to a
 * temporary file, so memory is bounded whatever the number of facts.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { writeFully } from '../../lib/files/durable.js';

/** The words of a fact. */
export const factWords = { page: 0, person: 1, hour: 2, millisecond: 3, coupon: 4 } as const;
export const wordsPerFact = 5;
export const shardCount = 128;
export const factsPerBlock = 1 << 15;
const blockWords = wordsPerFact * factsPerBlock;
const blockBytes = 4 * blockWords;

/** What a thread needs to read the facts of a shard. */
export interface FactShard {
  readonly rows: number;
  /** In order: memory, or the number of a block in the file. All are full but the last. */
  readonly blocks: readonly (SharedArrayBuffer | number)[];
  readonly spillPath: string;
}

/** One array a number, of the same length. */
export interface FactBatch {
  readonly pages: Uint32Array;
  readonly persons: Uint32Array;
  readonly hours: Uint32Array;
  readonly milliseconds: Uint32Array;
  readonly coupons: Uint32Array;
}

/** Columns for up to `rows` facts. */
export function newFactBatch(rows: number): FactBatch {
  const column = (): Uint32Array => new Uint32Array(rows);
  return { pages: column(), persons: column(), hours: column(), milliseconds: column(), coupons: column() };
}

export class FactStore {
  readonly #spillPath: string;
  readonly #maxBlocks: number;
  readonly #blocks: (SharedArrayBuffer | number)[][] = Array.from({ length: shardCount }, () => []);
  /** The block of each shard that is being filled, and how far it is. */
  readonly #open: Uint32Array[] = Array.from({ length: shardCount }, () => new Uint32Array(0));
  readonly #filled = new Uint32Array(shardCount).fill(blockWords);
  #blocksInMemory = 0;
  #fd: number | undefined;
  #spilledBlocks = 0;
  #rows = 0;

  /** Full blocks (640 KiB) go to the file while there are `maxBlocks` in memory; each shard keeps the one it fills. */
  constructor(spillPath: string, maxBlocks: number) {
    this.#spillPath = spillPath;
    this.#maxBlocks = maxBlocks;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Copies the first `rows` facts, each to the shard of its page. */
  addAll(facts: FactBatch, rows: number, shardOfPage: Uint8Array): void {
    const { pages, persons, hours, milliseconds, coupons } = facts;
    const filled = this.#filled;
    for (let row = 0; row < rows; row++) {
      const page = pages[row] ?? 0;
      const shard = shardOfPage[page] ?? 0;
      let at = filled[shard] ?? 0;
      if (at === blockWords) {
        this.#nextBlock(shard);
        at = 0;
      }
      const words = this.#open[shard];
      if (words === undefined) continue;
      words[at] = page;
      words[at + 1] = persons[row] ?? 0;
      words[at + 2] = hours[row] ?? 0;
      words[at + 3] = milliseconds[row] ?? 0;
      words[at + 4] = coupons[row] ?? 0;
      filled[shard] = at + wordsPerFact;
    }
    this.#rows += rows;
  }

  /** All shards; nothing can be added any more. */
  finish(): FactShard[] {
    this.close();
    return this.#blocks.map((blocks, shard) => ({
      rows: blocks.length * factsPerBlock - (blockWords - (this.#filled[shard] ?? 0)) / wordsPerFact,
      blocks,
      spillPath: this.#spillPath,
    }));
  }

  /** Closes the file. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #nextBlock(shard: number): void {
    const blocks = this.#blocks[shard] ?? [];
    const last = blocks.length - 1;
    let memory = blocks[last];
    if (memory instanceof SharedArrayBuffer && this.#blocksInMemory >= this.#maxBlocks) {
      this.#fd ??= openSync(this.#spillPath, 'w');
      writeFully(this.#fd, new Uint8Array(memory), this.#spilledBlocks * blockBytes);
      blocks[last] = this.#spilledBlocks++;
    } else {
      memory = new SharedArrayBuffer(blockBytes);
      this.#blocksInMemory++;
    }
    blocks.push(memory);
    this.#open[shard] = new Uint32Array(memory);
  }
}

/** The facts of a shard in order, as words; each array is valid until the next. */
export function* readFacts({ rows, blocks, spillPath }: FactShard): Generator<Uint32Array> {
  const words = wordsPerFact * rows;
  let spilled: SpilledBlocks | undefined;
  try {
    for (const [i, block] of blocks.entries()) {
      const length = Math.min(blockWords, words - i * blockWords);
      if (typeof block === 'number') {
        spilled ??= new SpilledBlocks(spillPath);
        yield spilled.read(block);
      } else {
        yield new Uint32Array(block, 0, length);
      }
    }
  } finally {
    spilled?.close();
  }
}

class SpilledBlocks {
  readonly #path: string;
  readonly #fd: number;
  readonly #words = new Uint32Array(blockWords);

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'r');
  }

  read(block: number): Uint32Array {
    const bytes = new Uint8Array(this.#words.buffer);
    for (let done = 0; done < blockBytes;) {
      const count = readSync(this.#fd, bytes, done, blockBytes - done, block * blockBytes + done);
      if (count === 0) throw new RangeError(`${this.#path} ends early`);
      done += count;
    }
    return this.#words;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
