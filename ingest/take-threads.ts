/** The threads of an import, which turn blocks of lines into records (take-thread.ts), and the state lines that they need. */
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

/** Number of threads for an import: one per processor, at most 4, because one thread handles all results; 0 if there is only one processor. */
export function takeThreadCount(): number {
  const processors = availableParallelism();
  return processors < 2 ? 0 : Math.min(4, processors);
}

/** Size of V8's young generation: with a large one, fewer objects of a block are alive, and copied, when it is collected. */
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

  /** Terminates the threads at once. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

/** Copies a block that is a small part of its buffer, because the whole buffer would be sent with it. */
function ownBlock(block: LineBlock): LineBlock {
  if (block.kind === 'lines' || 2 * block.bytes.byteLength > block.bytes.buffer.byteLength) return block;
  return { ...block, bytes: Uint8Array.from(block.bytes) };
}

/** Collects state lines, block by block: lines that change how later ones are read. */
export class StateLines {
  readonly #reader: Pick<LineReader, 'stateOf'>;
  readonly #last = new Map<string, string>();

  constructor(reader: Pick<LineReader, 'stateOf'>) {
    this.#reader = reader;
  }

  /** The last state line of each name in the blocks so far, in order. */
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
