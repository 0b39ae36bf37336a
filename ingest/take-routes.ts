/**
 * The two ways of turning lines into sink items: facts, for any sink; and records, for a sink that takes them. Threads make the records of a large
 * file if they can read its format. Both routes return blocks in the order of the file.
 */
import { Readable } from 'node:stream';
import type { Fact } from '../facts/fact.js';
import { SwaError } from '../lib/errors/errors.js';
import type { NewRecord } from '../log/log.js';
import type { Appending } from './appender.js';
import type { ImportOptions } from './import.js';
import type { FormatElsewhere } from './line-format.js';
import { idOfRepeatedLine } from './line-ids.js';
import { linesOf, type Line, type LineBlock } from './lines.js';
import { packRecords, unpackRecords } from './packed-records.js';
import { takeLines, type TakenBlock, type TakeOptions } from './take-lines.js';
import { StateLines, TakeThreads } from './take-threads.js';

export interface Route<Item> {
  readonly sink: Appending<Item>;
  /** Yields each block with its result, in order. Throws the errors of opening and reading the file, after the blocks before the error. */
  taken(blocks: AsyncGenerator<LineBlock>): AsyncGenerator<Taken<Item>>;
  /** The item of the n-th of equal lines without an eventId, from that of the first; n is `occurrence`. */
  again(item: Item, occurrence: number): Item;
  close(): Promise<void>;
}

export interface Taken<Item> {
  readonly block: LineBlock;
  readonly taken: TakenBlock<Item>;
}

export class FactRoute implements Route<Fact> {
  readonly sink: Appending<Fact>;
  readonly #options: ImportOptions;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.sink = options.sink;
  }

  async *taken(blocks: AsyncGenerator<LineBlock>): AsyncGenerator<Taken<Fact>> {
    let taking: TakeOptions | undefined;
    for await (const block of blocks) {
      taking ??= openTaking(this.#options, samplesOf(block));
      const taken = takeLines(block, this.#options.clock(), taking);
      noteOthers(taken, taking);
      yield { block, taken };
    }
  }

  again(fact: Fact, occurrence: number): Fact {
    return { ...fact, eventId: idOfRepeatedLine(fact.eventId, occurrence) };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Blocks this thread takes before it starts others (16 MB of a file): starting one costs about 0.2 s of processor time. */
const blocksBeforeThreads = 64;

/** Makes the route for records; undefined if the sink does not take records. */
export function recordRoute(options: ImportOptions): RecordRoute | undefined {
  const { appendRecords } = options.sink;
  return appendRecords === undefined ? undefined : new RecordRoute(options, { append: appendRecords });
}

/** What was determined from the first block of a file. */
interface Opened {
  readonly taking: TakeOptions;
  /** Lines the format was detected from. */
  readonly first: readonly string[];
  readonly state: StateLines;
}

class RecordRoute implements Route<NewRecord> {
  readonly sink: Appending<NewRecord>;
  readonly #options: ImportOptions;
  readonly #threadCount: number;
  /** Undefined if this thread takes all blocks. */
  readonly #elsewhere: FormatElsewhere | undefined;
  #blocks = 0;
  #opened: Opened | undefined;
  #threads: TakeThreads | undefined;

  constructor(options: ImportOptions, sink: Appending<NewRecord>) {
    const { threads = 0, follow, format } = options;
    this.sink = sink;
    this.#options = options;
    this.#threadCount = threads;
    this.#elsewhere = threads > 0 && follow === undefined ? format.elsewhere : undefined;
  }

  async *taken(blocks: AsyncGenerator<LineBlock>): AsyncGenerator<Taken<NewRecord>> {
    // two blocks for each thread: one that it processes and one in its queue
    const limit = this.#elsewhere === undefined ? 1 : 2 * this.#threadCount;
    for await (const one of mapInOrder(blocks, (block) => this.#take(block), limit)) {
      if (this.#opened !== undefined) noteOthers(one.taken, this.#opened.taking);
      yield one;
    }
  }

  /** Call in file order: the result of a block may depend on state lines before it. */
  async #take(block: LineBlock): Promise<Taken<NewRecord>> {
    const { clock, urls, blocksBeforeThreads: alone = blocksBeforeThreads } = this.#options;
    this.#opened ??= this.#open(block);
    const { taking, state } = this.#opened;
    const before = state.lines;
    state.add(block);
    const isEnd = block.kind === 'lines' && block.lines.some(({ ended }) => !ended);
    if (!isEnd && this.#elsewhere !== undefined && this.#blocks++ >= alone) {
      this.#threads ??= this.#startThreads(this.#elsewhere, this.#opened);
      return { block, taken: await this.#threads.take({ block, receivedAt: clock(), state: before }) };
    }
    if (this.#threads !== undefined) for (const line of before) taking.reader.read(line);
    const taken = takeLines(block, clock(), taking);
    return { block, taken: { ...taken, facts: unpackRecords(packRecords(taken.facts, urls)) } };
  }

  #open(block: LineBlock): Opened {
    const first = samplesOf(block);
    const taking = openTaking(this.#options, first);
    return { taking, first, state: new StateLines(taking.reader) };
  }

  #startThreads(format: FormatElsewhere, { first, taking: { lineKey } }: Opened): TakeThreads {
    const { urls, bots, importId } = this.#options;
    return new TakeThreads(
      { format, first, lineKey, urls: urls.options, bots: bots?.mode, importId },
      this.#threadCount,
    );
  }

  again(record: NewRecord, occurrence: number): NewRecord {
    const fact = JSON.parse(Buffer.from(record.value).toString()) as Fact; // our own record
    const eventId = idOfRepeatedLine(fact.eventId, occurrence);
    return { ...record, value: Buffer.from(JSON.stringify({ ...fact, eventId })) };
  }

  async close(): Promise<void> {
    await this.#threads?.close();
  }
}

/** Results of `work` in the order of the items; at most `limit` items are under way at once. Errors of `items` come after the results before them. */
function mapInOrder<Item, Result>(
  items: AsyncIterable<Item>,
  work: (item: Item) => Promise<Result>,
  limit: number,
): AsyncIterable<Result> {
  return Readable.from(items).map(work, { concurrency: limit });
}

/** Maximum number of lines from which the format is detected. */
const sampledLines = 200;

function samplesOf(block: LineBlock): readonly string[] {
  return linesOf(block)
    .slice(0, sampledLines)
    .map(({ text }) => text);
}

/** Opens the format with the first lines of the file. Its errors get the file's path in front. */
function openTaking(options: ImportOptions, first: readonly string[]): TakeOptions {
  const { path, format, urls, bots, importId } = options;
  try {
    const reader = format.open(first);
    // A JSON line can be recognised as complete. The last line of stdin is final, because it cannot be imported later.
    const isWhole = ({ text }: Line): boolean => path === '-' || text === '' || reader.isWhole(text);
    options.onOpened?.(reader);
    return { reader, urls, bots, importId, lineKey: format.lineKey?.() ?? '', isWhole };
  } catch (cause) {
    if (!(cause instanceof SwaError)) throw cause;
    const { code, message, hint } = cause;
    throw new SwaError(code, `'${path}': ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}

function noteOthers({ byOthers }: TakenBlock<unknown>, { reader }: TakeOptions): void {
  for (const [format, lines] of byOthers) reader.readByOther?.(format, lines);
}
