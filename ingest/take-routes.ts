/**
 * The two routes of an import's lines: facts made by this thread, for any sink; and, for a sink that takes records, a large file and a format
 * that can be read elsewhere, records made by threads. Both give the blocks in the order of the file.
 */
import { encodeRecord } from '../facts/record.js';
import type { Fact } from '../facts/fact.js';
import { SwaError } from '../lib/errors/errors.js';
import type { NewRecord } from '../log/log.js';
import type { Appending } from './appender.js';
import type { ImportOptions } from './import.js';
import type { FormatElsewhere } from './line-format.js';
import { idOfRepeatedLine } from './line-ids.js';
import { linesOf, type Line, type LineBlock } from './lines.js';
import { takeLines, type TakenBlock, type Taking } from './take-lines.js';
import { StateLines, TakeThreads } from './take-threads.js';

export interface Route<Item> {
  readonly sink: Appending<Item>;
  /** Each block with what was made of it, in order. Throws what opening and reading the file throw, after the blocks before. */
  taken(blocks: AsyncGenerator<LineBlock>): AsyncGenerator<Taken<Item>>;
  /** The fact of a line without an eventId that has come so often by now. */
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
    let taking: Taking | undefined;
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

/** A file of fewer is taken before threads have started. */
const blocksBeforeThreads = 16;

/** Undefined where the file, or the sink, is not for it. */
export function recordRoute(options: ImportOptions): RecordRoute | undefined {
  const { sink, format, threads = 0, follow } = options;
  if (threads === 0 || follow !== undefined) return undefined;
  const { appendRecords } = sink;
  const { elsewhere } = format;
  if (appendRecords === undefined || elsewhere === undefined) return undefined;
  return new RecordRoute(options, { append: appendRecords }, elsewhere, threads);
}

class RecordRoute implements Route<NewRecord> {
  readonly sink: Appending<NewRecord>;
  readonly #options: ImportOptions;
  readonly #elsewhere: FormatElsewhere;
  readonly #threadCount: number;
  #started = 0;
  #first: readonly string[] = [];
  #taking: Taking | undefined;
  #state: StateLines | undefined;
  #threads: TakeThreads | undefined;

  constructor(
    options: ImportOptions,
    sink: Appending<NewRecord>,
    elsewhere: FormatElsewhere,
    threads: number,
  ) {
    this.sink = sink;
    this.#options = options;
    this.#elsewhere = elsewhere;
    this.#threadCount = threads;
  }

  async *taken(blocks: AsyncGenerator<LineBlock>): AsyncGenerator<Taken<NewRecord>> {
    const underWay: { readonly block: LineBlock; readonly taken: Promise<TakenBlock<NewRecord>> }[] = [];
    let reading: Promise<Read> | undefined = readNext(blocks);
    let failure: Extract<Read, { kind: 'failed' }> | undefined;
    try {
      for (;;) {
        const [oldest] = underWay;
        if (reading !== undefined && underWay.length < (this.#threads?.depth ?? 1)) {
          // Not the next block before the oldest is done: stdin may have no more for hours.
          const read: Read | undefined = await (oldest === undefined
            ? reading
            : Promise.race([reading, oldest.taken.then(noRead, noRead)]));
          if (read?.kind === 'block') {
            const taken = this.#start(read.block);
            taken.catch(() => undefined); // said when it is the oldest
            underWay.push({ block: read.block, taken });
          } else if (read?.kind === 'failed') failure = read;
          if (read !== undefined) reading = read.kind === 'block' ? readNext(blocks) : undefined;
          if (read !== undefined) continue;
        }
        if (oldest === undefined) break;
        underWay.shift();
        const taken = await oldest.taken;
        if (this.#taking !== undefined) noteOthers(taken, this.#taking);
        yield { block: oldest.block, taken };
      }
      if (failure !== undefined) throw failure.error;
    } finally {
      blocks.return(undefined).catch(() => undefined); // not awaited: it waits for what is being read
    }
  }

  /** In order: what a block means may depend on lines before it. */
  async #start(block: LineBlock): Promise<TakenBlock<NewRecord>> {
    const { clock, urls, bots, importId, blocksBeforeThreads: alone = blocksBeforeThreads } = this.#options;
    if (this.#taking === undefined) {
      this.#first = samplesOf(block);
      this.#taking = openTaking(this.#options, this.#first);
    }
    const taking = this.#taking;
    this.#state ??= new StateLines(taking.reader);
    const state = this.#state.lines;
    this.#state.add(block);
    const isEnd = block.kind === 'lines' && block.lines.some(({ ended }) => !ended);
    if (isEnd || this.#started < alone) {
      this.#started++;
      if (isEnd) for (const line of state) taking.reader.read(line);
      const taken = takeLines(block, clock(), taking);
      return { ...taken, facts: taken.facts.map((fact) => encodeRecord(fact, urls)) };
    }
    this.#threads ??= new TakeThreads(
      {
        format: this.#elsewhere,
        first: this.#first,
        lineKey: taking.lineKey,
        urls: urls.options,
        bots: bots?.mode,
        importId,
      },
      this.#threadCount,
    );
    return this.#threads.take({ block, receivedAt: clock(), state });
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

type Read =
  | { readonly kind: 'block'; readonly block: LineBlock }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly error: unknown };

async function readNext(blocks: AsyncGenerator<LineBlock>): Promise<Read> {
  try {
    const next = await blocks.next();
    return next.done === true ? { kind: 'end' } : { kind: 'block', block: next.value };
  } catch (error) {
    return { kind: 'failed', error };
  }
}

function noRead(): undefined {
  return undefined;
}

/** Lines a format is told by. */
const sampledLines = 200;

function samplesOf(block: LineBlock): readonly string[] {
  return linesOf(block)
    .slice(0, sampledLines)
    .map(({ text }) => text);
}

/** What the format has to say against a file says so of this one. */
function openTaking(options: ImportOptions, first: readonly string[]): Taking {
  const { path, format, urls, bots, importId } = options;
  try {
    const reader = format.open(first);
    // JSON shows by itself that it is whole; stdin has ended, and no one can give the line later.
    const isWhole = ({ text }: Line): boolean => path === '-' || text === '' || reader.isWhole(text);
    options.onOpened?.(reader);
    return { reader, urls, bots, importId, lineKey: format.lineKey?.() ?? '', isWhole };
  } catch (cause) {
    if (!(cause instanceof SwaError)) throw cause;
    const { code, message, hint } = cause;
    throw new SwaError(code, `'${path}': ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}

function noteOthers({ byOthers }: TakenBlock<unknown>, { reader }: Taking): void {
  for (const [format, lines] of byOthers) reader.readByOther?.(format, lines);
}
