/**
 * The facts of a run as five columns of 32-bit numbers: page, person, hour (numbers of the run's dictionaries), millisecond
 * within the hour, and the person's coupon, which would be a costly look-up for whoever sorts the facts. In
 * blocks of shared memory that worker threads read without a copy; beyond a limit the blocks go to a temporary file, so
 * memory is bounded whatever the number of facts.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { writeFully } from '../lib/files/durable.js';

export const rowsPerBlock = 1 << 20;
const columnNames = ['pages', 'persons', 'hours', 'milliseconds', 'coupons'] as const;
const blockBytes = 4 * columnNames.length * rowsPerBlock;

/** What a worker needs to read the facts. */
export interface FactStoreHandle {
  readonly rows: number;
  /** The first blocks are in the file, the others here. */
  readonly spilledBlocks: number;
  readonly spillPath: string;
  readonly blocks: readonly SharedArrayBuffer[];
}

/** One array a column, of the same length. */
export interface FactColumns {
  readonly pages: Uint32Array;
  readonly persons: Uint32Array;
  readonly hours: Uint32Array;
  readonly milliseconds: Uint32Array;
  readonly coupons: Uint32Array;
}

export interface FactBlock extends FactColumns {
  readonly rows: number;
}

/** Columns for up to `rows` facts. */
export function newFactBatch(rows: number): FactColumns {
  return columnsIn(new ArrayBuffer(4 * columnNames.length * rows), rows);
}

export class FactStore {
  readonly #spillPath: string;
  readonly #maxBlocks: number;
  readonly #blocks: SharedArrayBuffer[] = [];
  #fd: number | undefined;
  #spilledBlocks = 0;
  #block: FactBlock | undefined;
  #filled = 0;
  #rows = 0;

  /** Keeps `maxBlocks` blocks of 20 MiB in memory. */
  constructor(spillPath: string, maxBlocks: number) {
    this.#spillPath = spillPath;
    this.#maxBlocks = maxBlocks;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Copies the first `rows` facts. */
  addAll(facts: FactColumns, rows: number): void {
    for (let from = 0; from < rows;) {
      let block = this.#block;
      if (block === undefined || this.#filled === rowsPerBlock) block = this.#nextBlock();
      const to = Math.min(rows, from + rowsPerBlock - this.#filled);
      for (const name of columnNames) block[name].set(facts[name].subarray(from, to), this.#filled);
      this.#filled += to - from;
      this.#rows += to - from;
      from = to;
    }
  }

  handle(): FactStoreHandle {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    return {
      rows: this.#rows,
      spilledBlocks: this.#spilledBlocks,
      spillPath: this.#spillPath,
      blocks: this.#blocks,
    };
  }

  /** Closes the file when the store is given up before `handle`. */
  close(): void {
    this.handle();
  }

  #nextBlock(): FactBlock {
    let memory: SharedArrayBuffer | undefined;
    if (this.#blocks.length >= this.#maxBlocks) {
      // The last block is full: it moves to the file, and its memory is filled anew.
      memory = this.#blocks.pop() ?? new SharedArrayBuffer(blockBytes);
      this.#fd ??= openSync(this.#spillPath, 'w');
      writeFully(this.#fd, new Uint8Array(memory), this.#spilledBlocks++ * blockBytes);
    } else {
      memory = new SharedArrayBuffer(blockBytes);
    }
    this.#blocks.push(memory);
    this.#block = viewOf(memory, rowsPerBlock);
    this.#filled = 0;
    return this.#block;
  }
}

/** All facts, block by block; each block is valid until the next. */
export function* readFacts(handle: FactStoreHandle): Generator<FactBlock> {
  const memoryRows = handle.rows - handle.spilledBlocks * rowsPerBlock;
  if (handle.spilledBlocks > 0) yield* readSpilled(handle);
  for (let i = 0; i < handle.blocks.length; i++) {
    const memory = handle.blocks[i];
    if (memory !== undefined) yield viewOf(memory, Math.min(rowsPerBlock, memoryRows - i * rowsPerBlock));
  }
}

function* readSpilled(handle: FactStoreHandle): Generator<FactBlock> {
  const memory = new SharedArrayBuffer(blockBytes);
  const bytes = new Uint8Array(memory);
  const fd = openSync(handle.spillPath, 'r');
  try {
    for (let block = 0; block < handle.spilledBlocks; block++) {
      for (let done = 0; done < blockBytes;) {
        const count = readSync(fd, bytes, done, blockBytes - done, block * blockBytes + done);
        if (count === 0) throw new RangeError(`${handle.spillPath} ends early`);
        done += count;
      }
      yield viewOf(memory, rowsPerBlock);
    }
  } finally {
    closeSync(fd);
  }
}

function viewOf(memory: SharedArrayBuffer, rows: number): FactBlock {
  return { rows, ...columnsIn(memory, rowsPerBlock) };
}

function columnsIn(memory: SharedArrayBuffer | ArrayBuffer, rows: number): FactColumns {
  const column = (name: (typeof columnNames)[number]): Uint32Array =>
    new Uint32Array(memory, 4 * columnNames.indexOf(name) * rows, rows);
  return {
    pages: column('pages'),
    persons: column('persons'),
    hours: column('hours'),
    milliseconds: column('milliseconds'),
    coupons: column('coupons'),
  };
}
