/** Threads that take blocks of lines (take-thread.ts), and the order in which their answers come back: that of the file. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { asBuffer } from '../lib/memory/as-buffer.js';
import { RequestThread, ThreadEnded } from '../lib/process/request-thread.js';
import { SwaError } from '../lib/errors/errors.js';
import type { NewRecord } from '../log/log.js';
import type { LineReader } from './line-format.js';
import { linesOf, type LineBlock } from './lines.js';
import { unpackRecords } from './packed-records.js';
import type { TakeProtocol, TakeSetup } from './take-thread.js';
import type { TakenBlock } from './take-lines.js';

/** Threads for an import: one a processor, at most 4, whose results one thread can put in order; 0 where there is one processor. */
export function takeThreadCount(): number {
  const processors = availableParallelism();
  return processors < 2 ? 0 : Math.min(4, processors);
}

/** Few blocks of lines are garbage at once, and copying what is alive among young objects is most of a collector's work. */
const youngGenerationMb = 64;

export class TakeThreads {
  readonly #threads: readonly RequestThread<TakeProtocol>[];
  #next = 0;

  constructor(setup: TakeSetup, count: number) {
    this.#threads = Array.from({ length: count }, () => {
      const worker = new Worker(new URL('./take-thread.js', import.meta.url), {
        workerData: setup,
        resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
      });
      return new RequestThread<TakeProtocol>(worker, 'a thread of the import');
    });
  }

  async take(request: TakeProtocol['request']): Promise<TakenBlock<NewRecord>> {
    const thread = this.#threads[this.#next++ % this.#threads.length];
    if (thread === undefined) throw new Error('take() needs at least one thread');
    try {
      const { packed, ...taken } = await thread.send({ ...request, block: ownBlock(request.block) });
      return { ...taken, facts: unpackRecords(packed) };
    } catch (cause) {
      if (!(cause instanceof ThreadEnded)) throw cause;
      throw new SwaError('import.failed', cause.message, { cause });
    }
  }

  /** Ends them, whatever they do. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

/** A view of few bytes would be sent with all of the memory behind it. */
function ownBlock(block: LineBlock): LineBlock {
  if (block.kind === 'lines' || 2 * block.bytes.byteLength > block.bytes.buffer.byteLength) return block;
  return { ...block, bytes: Uint8Array.from(block.bytes) };
}

/** Collects, block by block, the lines that change what later ones mean. */
export class StateLines {
  readonly #reader: Pick<LineReader, 'stateOf'>;
  readonly #last = new Map<string, string>();

  constructor(reader: Pick<LineReader, 'stateOf'>) {
    this.#reader = reader;
  }

  /** Of the blocks that were added, in order; the last one of each name. */
  get lines(): readonly string[] {
    return [...this.#last.values()];
  }

  add(block: LineBlock): void {
    if (this.#reader.stateOf === undefined || !mayHaveState(block)) return;
    for (const { text, refusal } of linesOf(block)) {
      if (refusal !== undefined || !text.startsWith('#')) continue;
      const name = this.#reader.stateOf(text);
      if (name === undefined) continue;
      this.#last.delete(name);
      this.#last.set(name, text);
    }
  }
}

function mayHaveState(block: LineBlock): boolean {
  if (block.kind === 'lines' || block.firstNumber === 1) return true; // a byte order mark may stand first
  return block.bytes[0] === 0x23 || asBuffer(block.bytes).includes('\n#');
}
