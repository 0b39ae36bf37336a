/**
 * Imports a file: lines -> candidates by its format -> the door -> batches into a sink. Every line ends in exactly one count:
 * read = accepted + repeated + filtered + rejected + unconfirmed. A line without an eventId gets one made from its own bytes and the equal
 * lines before it, so importing a file again, or an overlapping one, changes no answer (line-ids.ts).
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
  /** Where one import has several. */
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
  /** Names the import in its pageviews, where lines do not name one themselves. */
  readonly importId?: string;
  /** The first lines, which earlier imports have taken: they are passed over, if they are those lines. */
  readonly known?: KnownPart | undefined;
  /** Keys the hash over lines; empty by default. */
  readonly trailKey?: string;
  /** Which accepted pageviews are counted as bots'; none without it. */
  readonly bots?: Pick<BotRule, 'excludes' | 'mode'>;
  /** Threads that lines are taken in, where the sink takes records and the format can be read elsewhere. Default 0: this thread alone. */
  readonly threads?: number;
  /** Blocks that this thread takes alone before others are started. Default 64: 16 MB. */
  readonly blocksBeforeThreads?: number;
  readonly clock: Clock;
  readonly onRejected: (rejected: RejectedLine) => void;
  readonly onWarning?: (warning: Warning, line: number) => void;
  /** Given what reads the file when its first lines have come. */
  readonly onOpened?: (reader: LineReader) => void;
  /** Told at the end which lines were taken, where some were. */
  readonly onTaken?: (taken: TakenLines) => void;
  /** Called after each batch. */
  readonly onProgress?: (counts: Readonly<ImportCounts>, progress: Readonly<ByteProgress>) => void;
  /** Waits for more lines at the end of the file, until it is rotated or `signal` aborts. */
  readonly follow?: FollowOptions;
  /** Stops between batches; what was accepted stays accepted. */
  readonly signal?: AbortSignal;
}

/** What an import took of a file: half-open, lines counted from 0, and a hash over all before `toLine`. */
export interface TakenLines {
  readonly fromLine: number;
  readonly toLine: number;
  readonly linesHash: string;
}

/**
 * Resolves when every accepted fact is durable. Throws `import.failed` or the sink's error; counts up to there are in `counts`. A file that does not begin with the known lines after all is imported from its beginning.
 */
export async function importFile(
  options: ImportOptions,
  counts: ImportCounts = newImportCounts(),
): Promise<ImportCounts> {
  const before = { ...counts };
  try {
    return await importByRoute(options, counts);
  } catch (error) {
    if (!(error instanceof OtherLines)) throw error;
    Object.assign(counts, before);
    const { known: _known, ...fromItsBeginning } = options;
    return await importByRoute(fromItsBeginning, counts);
  }
}

/** The first lines are not those that are known: nothing of the file has been taken yet. */
class OtherLines extends Error {}

/** Lines in order, and a hash over the key and them: without the key no line can be guessed from it. */
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
          if (trail.digest() !== known?.hash) throw new OtherLines();
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
    if (trail.count < knownLines && options.signal?.aborted !== true) throw new OtherLines(); // it has become shorter
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

/** What is to go into the sink, with the eventIds that the lines before give it. Repeats and bots are counted. */
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

/** Counts the lines of a block that are not facts, and tells of them. */
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

/** The blocks of a file, cut where what earlier imports have taken ends. */
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

/** For people; undefined where nothing waits. */
export function whyWaiting({ waiting }: Pick<ImportCounts, 'waiting'>): string | undefined {
  if (waiting === 0) return undefined;
  return 'the last line has no line end and was not imported: it may be incomplete. Import the file again later, or pipe it to `swa import ... -` if it is complete';
}
