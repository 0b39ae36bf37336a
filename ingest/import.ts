/**
 * Imports a file: lines -> candidates by its format -> the door -> batches into a sink. Every line ends in exactly one count:
 * read = accepted + repeated + filtered + rejected + unconfirmed. A line without an eventId gets one made from its own bytes and the equal
 * lines before it, so importing a file again, or an overlapping one, changes no answer (line-ids.ts).
 */
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
  /** Which accepted pageviews are counted as bots'; none without it. */
  readonly bots?: Pick<BotRule, 'excludes'>;
  readonly clock: Clock;
  readonly onRejected: (rejected: RejectedLine) => void;
  readonly onWarning?: (warning: Warning, line: number) => void;
  /** Given what reads the file when its first lines have come. */
  readonly onOpened?: (reader: LineReader) => void;
  /** Called after each batch. */
  readonly onProgress?: (counts: Readonly<ImportCounts>, progress: Readonly<ByteProgress>) => void;
  /** Waits for more lines at the end of the file, until it is rotated or `signal` aborts. */
  readonly follow?: FollowOptions;
  /** Stops between batches; what was accepted stays accepted. */
  readonly signal?: AbortSignal;
}

/** Lines a format is told by. */
const sampledLines = 200;

/** Resolves when every accepted fact is durable. Throws `import.failed` or the sink's error; counts up to there are in `counts`. */
export async function importFile(
  options: ImportOptions,
  counts: ImportCounts = newImportCounts(),
): Promise<ImportCounts> {
  const progress = newByteProgress();
  const appender = new Appender(options.sink, (facts) => {
    counts.accepted += facts;
    counts.unconfirmed -= facts;
  });
  const nulBytesBefore = counts.nulBytes;
  let reader: LineReader | undefined;
  let ids = new LineIds();
  try {
    for await (const lines of linesOf(options, progress)) {
      counts.nulBytes = nulBytesBefore + progress.nulBytes;
      if (reader === undefined) {
        reader = openNamed(options, lines);
        ids = new LineIds(options.format.lineKey?.());
        options.onOpened?.(reader);
      }
      const receivedAt = options.clock();
      for (const line of lines) {
        if (!line.ended && !isWhole(line, reader, options.path)) {
          counts.waiting++;
          continue;
        }
        const fact = takeLine(line, receivedAt, reader, options, counts, ids);
        if (fact === undefined) continue;
        counts.unconfirmed++;
        if (appender.add(fact)) await appender.flush();
      }
      if (options.follow !== undefined) await appender.flush();
      options.onProgress?.(counts, progress);
      if (options.signal?.aborted === true) break;
    }
  } finally {
    counts.garbageBytes += progress.garbageBytes;
    await appender.drain();
    options.onProgress?.(counts, progress);
  }
  return counts;
}

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
  if (fact.type === 'pageview' && options.bots?.excludes(fact.userAgent) === true) counts.bots++;
  return fact;
}

const timeIsMissing = {
  field: 'timestamp',
  message: 'timestamp is missing; the time of the import was used',
};
