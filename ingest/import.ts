/**
 * Imports a file: lines -> candidates by its format -> the door -> batches into a sink. Every line is in exactly one count:
 * read = accepted + repeated + filtered + rejected + unconfirmed. The eventId of a line without one is made from its text and its number among
 * equal lines, so importing a file again, or an overlapping file, changes no answer (line-ids.ts).
 */
import { createHash } from 'node:crypto';
import type { KnownPart } from './import-ledger.js';
import { countReason, newImportCounts, type ImportCounts } from './import-state.js';
import type { Clock } from '../lib/time/clock.js';
import type { BotRule } from '../facts/bots.js';
import type { Warning } from '../facts/door.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { Appender } from './appender.js';
import type { FactSink } from './fact-sinks.js';
import type { FileFormat, LineReader } from './line-format.js';
import { LineIds, digestWords } from './line-ids.js';
import { followLines, type FollowOptions } from './follow.js';
import { cutLines, newByteProgress, readLines, type ByteProgress, type LineBlock } from './lines.js';
import { hasOwnId, isBots, type TakenBlock } from './take-lines.js';
import { FactRoute, recordRoute, type Route } from './take-routes.js';

export interface RejectedLine {
  /** Set if the import has several files. */
  readonly file?: string;
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

export interface ImportOptions {
  /** Path, or '-' for stdin. */
  readonly path: string;
  readonly format: FileFormat;
  readonly sink: Pick<FactSink, 'append' | 'appendRecords'>;
  readonly urls: UrlRules;
  /** importId of pageviews whose lines do not have one. */
  readonly importId?: string;
  /** The first lines, which earlier imports took. They are skipped if the file still begins with them. */
  readonly known?: KnownPart | undefined;
  /** Key of the hash over lines; empty by default. */
  readonly trailKey?: string;
  /** Decides which accepted pageviews count as bots'; without it none do. */
  readonly bots?: Pick<BotRule, 'excludes' | 'mode'>;
  /** Number of threads, used if the sink takes records and other threads can read the format. Default 0: this thread only. */
  readonly threads?: number;
  /** Number of blocks that this thread processes before it starts others. Default 64: 16 MB. */
  readonly blocksBeforeThreads?: number;
  readonly clock: Clock;
  readonly onRejected: (rejected: RejectedLine) => void;
  readonly onWarning?: (warning: Warning, line: number) => void;
  /** Called with the file's reader when the first lines have been read. */
  readonly onOpened?: (reader: LineReader) => void;
  /** Called at the end with the lines that were taken, if there were any. */
  readonly onTaken?: (taken: TakenLines) => void;
  /** Called after each block of lines, and at the end. */
  readonly onProgress?: (counts: Readonly<ImportCounts>, progress: Readonly<ByteProgress>) => void;
  /** Waits for more lines at the end of the file, until it is rotated or `signal` aborts. */
  readonly follow?: FollowOptions;
  /** Stops the import after the current block; accepted facts stay accepted. */
  readonly signal?: AbortSignal;
}

/** The lines that an import took from a file: half-open range, counted from 0, and a hash over all lines before `toLine`. */
export interface TakenLines {
  readonly fromLine: number;
  readonly toLine: number;
  readonly linesHash: string;
}

/**
 * Resolves when every accepted fact is durable. Throws `import.failed` or the sink's error; `counts` then holds the counts so far. A file
 * that does not begin with the known lines is imported from its beginning.
 */
export async function importFile(
  options: ImportOptions,
  counts: ImportCounts = newImportCounts(),
): Promise<ImportCounts> {
  const before = { ...counts };
  try {
    return await importByRoute(options, counts);
  } catch (error) {
    if (!(error instanceof KnownLinesDiffer)) throw error;
    Object.assign(counts, before);
    const { known: _known, ...fromItsBeginning } = options;
    return await importByRoute(fromItsBeginning, counts);
  }
}

/** Thrown if the file does not begin with the known lines, before any line is taken. */
class KnownLinesDiffer extends Error {}

/** Counts lines in order, and hashes them with the key, without which lines could be guessed from the hash. */
class LineTrail {
  readonly #hash = createHash('sha256');
  count = 0;

  constructor(key: string) {
    this.#hash.update(`${key}\n`);
  }

  add(block: LineBlock, { lines, trail }: Pick<TakenBlock<unknown>, 'lines' | 'trail'>): void {
    if (lines === 0) return;
    this.count += lines;
    this.#hash.update(trail ?? (block.kind === 'bytes' ? block.bytes : '')).update('\n');
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

function importByRoute(options: ImportOptions, counts: ImportCounts): Promise<ImportCounts> {
  const route = recordRoute(options);
  return route === undefined
    ? importLines(options, counts, new FactRoute(options))
    : importLines(options, counts, route);
}

async function importLines<Item>(
  options: ImportOptions,
  counts: ImportCounts,
  route: Route<Item>,
): Promise<ImportCounts> {
  const { known } = options;
  const knownLines = known?.lines ?? 0;
  const trail = new LineTrail(options.trailKey ?? '');
  const progress = newByteProgress();
  const appender = new Appender(route.sink, (facts) => {
    counts.accepted += facts;
    counts.unconfirmed -= facts;
  });
  const nulBytesBefore = counts.nulBytes;
  const ids = new LineIds();
  try {
    for await (const { block, taken } of route.taken(linesInParts(options, progress))) {
      counts.nulBytes = nulBytesBefore + progress.nulBytes;
      const isKnown = trail.count < knownLines;
      trail.add(block, taken);
      counts.waiting += taken.waiting;
      if (isKnown) {
        for (const i of taken.facts.keys()) ids.count(taken.digests, digestWords * i);
        if (trail.count === knownLines) {
          if (trail.digest() !== known?.hash) throw new KnownLinesDiffer();
          counts.known += knownLines;
        }
      } else {
        countLines(taken, counts, options);
        const items = newItems(taken, ids, counts, route);
        counts.unconfirmed += items.length;
        for (const item of items) if (appender.add(item)) await appender.flush();
      }
      if (options.follow !== undefined) await appender.flush();
      options.onProgress?.(counts, progress);
      if (options.signal?.aborted === true) break;
    }
    if (trail.count < knownLines && options.signal?.aborted !== true) throw new KnownLinesDiffer(); // the file has become shorter
  } finally {
    await route.close();
    counts.garbageBytes += progress.garbageBytes;
    await appender.drain();
    options.onProgress?.(counts, progress);
  }
  if (trail.count > knownLines)
    options.onTaken?.({ fromLine: knownLines, toLine: trail.count, linesHash: trail.digest() });
  return counts;
}

/** The facts of a block that go into the sink, with their final eventIds. Counts repeats and bots. */
function newItems<Item>(
  { facts, flags, digests }: TakenBlock<Item>,
  ids: LineIds,
  counts: ImportCounts,
  route: Route<Item>,
): Item[] {
  const items: Item[] = [];
  for (const [i, fact] of facts.entries()) {
    const flag = flags[i] ?? 0;
    const occurrence = ids.count(digests, digestWords * i);
    if (occurrence > 1 && (flag & hasOwnId) !== 0) {
      counts.repeated++;
      continue;
    }
    if ((flag & isBots) !== 0) counts.bots++;
    items.push(occurrence === 1 ? fact : route.again(fact, occurrence));
  }
  return items;
}

/** Counts and reports the lines of a block that are not facts, and the warnings. */
function countLines(taken: TakenBlock<unknown>, counts: ImportCounts, options: ImportOptions): void {
  counts.read += taken.lines;
  for (const [reason, lines] of taken.filtered) {
    counts.filtered += lines;
    countReason(counts.filteredBy, reason, lines);
  }
  for (const { line, counted, reason, text } of taken.refused) {
    counts.rejected++;
    countReason(counts.rejectedBy, counted);
    options.onRejected({ line, reason, text });
  }
  for (const { line, warning } of taken.warned) {
    counts.warnings++;
    options.onWarning?.(warning, line);
  }
}

/** The blocks of a file, split after the last known line. */
async function* linesInParts(options: ImportOptions, progress: ByteProgress): AsyncGenerator<LineBlock> {
  let left = options.known?.lines ?? 0;
  for await (const block of blocksOf(options, progress)) {
    if (left === 0) {
      yield block;
      continue;
    }
    const { first, firstLines, rest } = cutLines(block, left);
    left -= firstLines;
    yield first;
    if (rest !== undefined) yield rest;
  }
}

function blocksOf(
  { path, format, follow, signal }: ImportOptions,
  progress: ByteProgress,
): AsyncGenerator<LineBlock> {
  if (follow !== undefined) return followLines(path, progress, signal, follow);
  return (format.rows ?? readLines)(path, progress);
}

/** Explains to people why the last line was not imported; undefined if it was. */
export function whyWaiting({ waiting }: Pick<ImportCounts, 'waiting'>): string | undefined {
  if (waiting === 0) return undefined;
  return 'the last line has no line end and was not imported: it may be incomplete. Import the file again later, or pipe it to `swa import ... -` if it is complete';
}
