/**
 * Imports a file: lines -> candidates by its format -> the door -> batches into a sink. Every line ends in exactly one count:
 * read = accepted + repeated + filtered + rejected + unconfirmed. A line without an eventId gets one made from its own bytes and the equal
 * lines before it, so importing a file again, or an overlapping one, changes no answer (line-ids.ts).
 */
import { createHash } from 'node:crypto';
import type { KnownPart } from './import-ledger.js';
import { countReason, newImportCounts, type ImportCounts } from './import-state.js';
import type { Clock } from '../lib/time/clock.js';
import { SwaError } from '../lib/errors/errors.js';
import type { BotRule } from '../facts/bots.js';
import { admit, type Warning } from '../facts/door.js';
import type { Fact } from '../facts/fact.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { Appender } from './appender.js';
import type { FactSink } from './fact-sinks.js';
import { withValue, type FileFormat, type LineReader } from './line-format.js';
import { LineIds } from './line-ids.js';
import { followLines, type FollowOptions } from './follow.js';
import { newByteProgress, readLines, type ByteProgress, type Line } from './lines.js';

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
  readonly sink: Pick<FactSink, 'append'>;
  readonly urls: UrlRules;
  /** Names the import in its pageviews, where lines do not name one themselves. */
  readonly importId?: string;
  /** The first lines, which earlier imports have taken: they are passed over, if they are those lines. */
  readonly known?: KnownPart | undefined;
  /** Keys the hash over lines; empty by default. */
  readonly trailKey?: string;
  /** Which accepted pageviews are counted as bots'; none without it. */
  readonly bots?: Pick<BotRule, 'excludes'>;
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

/** Lines a format is told by. */
const sampledLines = 200;

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
    return await importLines(options, counts);
  } catch (error) {
    if (!(error instanceof OtherLines)) throw error;
    Object.assign(counts, before);
    const { known: _known, ...fromItsBeginning } = options;
    return await importLines(fromItsBeginning, counts);
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

  add(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    this.count += lines.length;
    this.#hash.update(`${lines.map(({ text }) => text).join('\n')}\n`);
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

async function importLines(options: ImportOptions, counts: ImportCounts): Promise<ImportCounts> {
  const { known } = options;
  const knownLines = known?.lines ?? 0;
  const trail = new LineTrail(options.trailKey ?? '');
  const progress = newByteProgress();
  const appender = new Appender(options.sink, (facts) => {
    counts.accepted += facts;
    counts.unconfirmed -= facts;
  });
  const nulBytesBefore = counts.nulBytes;
  let opened: LineReader | undefined;
  let ids = new LineIds();
  try {
    for await (const lines of linesOf(options, progress)) {
      counts.nulBytes = nulBytesBefore + progress.nulBytes;
      if (opened === undefined) {
        opened = openNamed(options, lines);
        ids = new LineIds(options.format.lineKey?.());
        options.onOpened?.(opened);
      }
      const reader = opened;
      const receivedAt = options.clock();
      const whole = lines.filter((line) => line.ended || isWhole(line, reader, options.path));
      counts.waiting += lines.length - whole.length;
      const first = whole.slice(0, Math.max(0, knownLines - trail.count));
      if (first.length > 0) {
        for (const line of first)
          takeLine(line, receivedAt, reader, { ...options, ...inSilence }, newImportCounts(), ids);
        trail.add(first);
        if (trail.count === knownLines) {
          if (trail.digest() !== known?.hash) throw new OtherLines();
          counts.known += knownLines;
        }
      }
      const rest = whole.slice(first.length);
      trail.add(rest);
      for (const line of rest) {
        const fact = takeLine(line, receivedAt, reader, options, counts, ids);
        if (fact === undefined) continue;
        counts.unconfirmed++;
        if (appender.add(fact)) await appender.flush();
      }
      if (options.follow !== undefined) await appender.flush();
      options.onProgress?.(counts, progress);
      if (options.signal?.aborted === true) break;
    }
    if (trail.count < knownLines && options.signal?.aborted !== true) throw new OtherLines(); // it has become shorter
  } finally {
    counts.garbageBytes += progress.garbageBytes;
    await appender.drain();
    options.onProgress?.(counts, progress);
  }
  if (trail.count > knownLines)
    options.onTaken?.({ fromLine: knownLines, toLine: trail.count, linesHash: trail.digest() });
  return counts;
}

const inSilence = { onRejected: () => undefined, onWarning: () => undefined };

/** What the format has to say against a file says so of this one. */
function openNamed({ path, format }: ImportOptions, lines: readonly Line[]): LineReader {
  try {
    return format.open(lines.slice(0, sampledLines).map(({ text }) => text));
  } catch (cause) {
    if (!(cause instanceof SwaError)) throw cause;
    const { code, message, hint } = cause;
    throw new SwaError(code, `'${path}': ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}

function linesOf(
  { path, format, follow, signal }: ImportOptions,
  progress: ByteProgress,
): AsyncGenerator<readonly Line[]> {
  if (follow !== undefined) return followLines(path, progress, signal, follow);
  return (format.rows ?? readLines)(path, progress);
}

/** For people; undefined where nothing waits. */
export function whyWaiting({ waiting }: Pick<ImportCounts, 'waiting'>): string | undefined {
  if (waiting === 0) return undefined;
  return 'the last line has no line end and was not imported: it may be incomplete. Import the file again later, or pipe it to `swa import ... -` if it is complete';
}

/**
 * Whether what follows the last line end is a whole line. Taken too early, a line of a log counts twice: once as it was cut,
 * once as it is. JSON shows by itself that it is whole; stdin has ended, and no one can give the line later.
 */
function isWhole({ text }: Line, reader: LineReader, path: string): boolean {
  return path === '-' || text === '' || reader.isWhole(text);
}

/** The fact of a line, counted when it is none. `accepted` is counted when it is durable. */
function takeLine(
  line: Line,
  receivedAt: number,
  reader: LineReader,
  options: ImportOptions,
  counts: ImportCounts,
  ids: LineIds,
): Fact | undefined {
  counts.read++;
  const refuse = (counted: string, reason: string): undefined => {
    counts.rejected++;
    countReason(counts.rejectedBy, counted);
    options.onRejected({ line: line.number, reason, text: line.text.slice(0, 2_000) });
  };
  const warn = (warning: Warning): void => {
    counts.warnings++;
    options.onWarning?.(warning, line.number);
  };
  if (line.refusal !== undefined) return refuse(line.refusal, line.refusal);
  const result = reader.read(line.text);
  if (result.kind === 'rejected') return refuse(result.reason, withValue(result));
  if (result.kind === 'filtered') {
    counts.filtered++;
    countReason(counts.filteredBy, result.reason);
    return undefined;
  }
  let hasOwnId = true;
  const eventId = (): string => {
    hasOwnId = false;
    return ids.idOf(line.text, result.site);
  };
  const admission = admit(result.value, receivedAt, options.urls, { eventId });
  if (!admission.ok) return refuse(`the ${admission.field} is invalid`, admission.reason);
  for (const warning of admission.warnings) warn(warning);
  if (!('timestamp' in result.value)) warn(timeIsMissing);
  const { fact } = admission;
  if (hasOwnId && ids.isRepeat(fact)) {
    counts.repeated++;
    return undefined;
  }
  if (fact.type !== 'pageview') return fact;
  if (options.bots?.excludes(fact.userAgent) === true) counts.bots++;
  const { importId } = options;
  return importId === undefined || fact.importId !== undefined ? fact : { ...fact, importId };
}

const timeIsMissing = {
  field: 'timestamp',
  message: 'timestamp is missing; the time of the import was used',
};
