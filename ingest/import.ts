/**
 * Imports a file: lines -> candidates by its format -> the door -> batches into a sink. Every line ends in exactly one count:
 * read = accepted + duplicate + filtered + rejected + unconfirmed. A line without an eventId gets one made from its own bytes and the equal
 * lines before it, so importing a file again, or an overlapping one, changes no answer (line-ids.ts).
 */
import { z } from 'zod';
import type { ImportCounts } from './import-state.js';
import type { Clock } from '../lib/time/clock.js';
import { admit, type Warning } from '../facts/door.js';
import type { Fact } from '../facts/fact.js';
import type { UrlRules } from '../facts/url/normalize.js';
import { Appender } from './appender.js';
import { combinedOptionsSchema, parseCombined, type LineResult } from './combined.js';
import type { FactSink } from './fact-sinks.js';
import { LineIds } from './line-ids.js';
import { newByteProgress, readLines, type ByteProgress, type Line } from './lines.js';

export const importFormatSchema = z.discriminatedUnion('name', [
  z.object({ name: z.literal('combined'), options: combinedOptionsSchema }),
  z.object({ name: z.literal('ndjson') }),
]);
export type ImportFormat = Readonly<z.infer<typeof importFormatSchema>>;

export interface RejectedLine {
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

export interface ImportOptions {
  /** Path, or '-' for stdin. */
  readonly path: string;
  readonly format: ImportFormat;
  readonly sink: Pick<FactSink, 'append'>;
  readonly urls: UrlRules;
  readonly clock: Clock;
  readonly onRejected: (rejected: RejectedLine) => void;
  readonly onWarning?: (warning: Warning, line: number) => void;
  /** Called after each batch. */
  readonly onProgress?: (counts: Readonly<ImportCounts>, progress: Readonly<ByteProgress>) => void;
  /** Stops between batches; what was accepted stays accepted. */
  readonly signal?: AbortSignal;
}

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
  const ids = new LineIds(options.format.name === 'combined' ? options.format.options.host : '');
  const read = lineReader(options.format);
  try {
    for await (const lines of readLines(options.path, progress)) {
      counts.nulBytes = progress.nulBytes;
      for (const line of lines) {
        if (!line.ended && !isWhole(line, options)) {
          counts.waiting++;
          continue;
        }
        const fact = takeLine(line, read, options, counts, ids);
        if (fact === undefined) continue;
        counts.unconfirmed++;
        if (appender.add(fact)) await appender.flush();
      }
      options.onProgress?.(counts, progress);
      if (options.signal?.aborted === true) break;
    }
  } finally {
    await appender.drain();
    options.onProgress?.(counts, progress);
  }
  return counts;
}

export function newImportCounts(): ImportCounts {
  return {
    read: 0,
    accepted: 0,
    duplicate: 0,
    filtered: 0,
    rejected: 0,
    unconfirmed: 0,
    warnings: 0,
    nulBytes: 0,
    waiting: 0,
  };
}

/** For people; undefined where nothing waits. */
export function whyWaiting({ waiting }: Pick<ImportCounts, 'waiting'>): string | undefined {
  if (waiting === 0) return undefined;
  return 'the last line has no line end and was not imported: it may still be written. Import the file again later, or pipe it to `swa import ... -` if it is whole';
}

/**
 * Whether what follows the last line end is a whole line. Taken too early, a line of a log counts twice: once as it was cut,
 * once as it is. JSON shows by itself that it is whole; stdin has ended, and nobody can give the line later.
 */
function isWhole({ text }: Line, { path, format }: ImportOptions): boolean {
  return path === '-' || text === '' || (format.name === 'ndjson' && parseNdjson(text).kind !== 'rejected');
}

type ReadLine = (line: string) => LineResult<object>;

function lineReader(format: ImportFormat): ReadLine {
  return format.name === 'combined' ? (line) => parseCombined(line, format.options) : parseNdjson;
}

function parseNdjson(line: string): LineResult<object> {
  if (line.trim() === '') return { kind: 'filtered', rule: 'empty' };
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return { kind: 'fact', value };
    return { kind: 'rejected', reason: 'is not a JSON object' };
  } catch {
    return { kind: 'rejected', reason: `is not JSON: '${line.slice(0, 80)}'` };
  }
}

/** The fact of a line, counted when it is none. `accepted` is counted when it is durable. */
function takeLine(
  line: Line,
  read: ReadLine,
  options: ImportOptions,
  counts: ImportCounts,
  ids: LineIds,
): Fact | undefined {
  counts.read++;
  const refuse = (reason: string): undefined => {
    counts.rejected++;
    options.onRejected({ line: line.number, reason, text: line.text.slice(0, 2_000) });
  };
  const warn = (warning: Warning): void => {
    counts.warnings++;
    options.onWarning?.(warning, line.number);
  };
  if (line.refusal !== undefined) return refuse(line.refusal);
  const result = read(line.text);
  if (result.kind === 'rejected') return refuse(result.reason);
  if (result.kind === 'filtered') {
    counts.filtered++;
    return undefined;
  }
  let hasOwnId = true;
  const eventId = (): string => {
    hasOwnId = false;
    return ids.idOf(line.text);
  };
  const admission = admit(result.value, options.clock(), options.urls, { eventId });
  if (!admission.ok) return refuse(admission.reason);
  for (const warning of admission.warnings) warn(warning);
  if (!('timestamp' in result.value)) warn(timeIsMissing);
  if (hasOwnId && ids.isRepeat(admission.fact)) {
    counts.duplicate++;
    return undefined;
  }
  return admission.fact;
}

const timeIsMissing = {
  field: 'timestamp',
  message: 'timestamp is missing; the time of the import was used',
};
