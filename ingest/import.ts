/**
 * Imports a file: lines -> candidates by its format -> the door -> batches into a sink. Every line ends in exactly one count:
 * read = accepted + duplicate + filtered + rejected + unconfirmed. A line without an eventId gets one made from its own bytes, so importing
 * a file again, or an overlapping one, changes no answer.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../lib/clock.js';
import { DedupWindow } from '../lib/facts/dedup-window.js';
import { admit } from '../lib/facts/door.js';
import type { Fact } from '../lib/facts/fact.js';
import type { UrlRules } from '../lib/url/normalize.js';
import { Appender } from './appender.js';
import { combinedOptionsSchema, parseCombined, type LineResult } from './combined.js';
import type { FactSink } from './fact-sinks.js';
import { readLines, type ByteProgress, type Line } from './lines.js';

export const importFormatSchema = z.discriminatedUnion('name', [
  z.object({ name: z.literal('combined'), options: combinedOptionsSchema }),
  z.object({ name: z.literal('ndjson') }),
]);
export type ImportFormat = Readonly<z.infer<typeof importFormatSchema>>;

export const importCountsSchema = z.object({
  read: z.number(),
  accepted: z.number(),
  /** Same eventId as one of the million lines before it. */
  duplicate: z.number(),
  filtered: z.number(),
  rejected: z.number(),
  /** On the way into the sink; at the end only those of a sink that failed. */
  unconfirmed: z.number(),
});
export type ImportCounts = z.infer<typeof importCountsSchema>;

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
  /** Called after each batch. */
  readonly onProgress?: (counts: Readonly<ImportCounts>, progress: Readonly<ByteProgress>) => void;
  /** Stops between batches; what was accepted stays accepted. */
  readonly signal?: AbortSignal;
}

/** Repeats further apart go into the log, and are absorbed in the views. */
const duplicateWindowLines = 1_000_000;

/** Resolves when every accepted fact is durable. Throws `import.failed` or the sink's error; counts up to there are in `counts`. */
export async function importFile(
  options: ImportOptions,
  counts: ImportCounts = newImportCounts(),
): Promise<ImportCounts> {
  const progress: ByteProgress = { readBytes: 0, totalBytes: undefined };
  const appender = new Appender(options.sink, (facts) => {
    counts.accepted += facts;
    counts.unconfirmed -= facts;
  });
  const seen = new DedupWindow(duplicateWindowLines);
  const read = lineReader(options.format);
  try {
    for await (const lines of readLines(options.path, progress)) {
      for (const line of lines) {
        const fact = takeLine(line, read, options, counts, seen);
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
  return { read: 0, accepted: 0, duplicate: 0, filtered: 0, rejected: 0, unconfirmed: 0 };
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
    return { kind: 'rejected', reason: 'is no JSON object' };
  } catch {
    return { kind: 'rejected', reason: `is no JSON: '${line.slice(0, 80)}'` };
  }
}

/** The fact of a line, counted when it is none. `accepted` is counted when it is durable. */
function takeLine(
  line: Line,
  read: ReadLine,
  options: ImportOptions,
  counts: ImportCounts,
  seen: DedupWindow,
): Fact | undefined {
  counts.read++;
  const refuse = (reason: string): undefined => {
    counts.rejected++;
    options.onRejected({ line: line.number, reason, text: line.text.slice(0, 2_000) });
  };
  if (line.refusal !== undefined) return refuse(line.refusal);
  const result = read(line.text);
  if (result.kind === 'rejected') return refuse(result.reason);
  if (result.kind === 'filtered') {
    counts.filtered++;
    return undefined;
  }
  const admission = admit(
    withEventId(result.value, line.text, options.format),
    options.clock(),
    options.urls,
  );
  if (!admission.ok) return refuse(admission.reason);
  if (seen.isRepeat(admission.fact.eventId, line.number)) {
    counts.duplicate++;
    return undefined;
  }
  return admission.fact;
}

function withEventId(candidate: object, line: string, format: ImportFormat): object {
  if ('eventId' in candidate) return candidate;
  const host = format.name === 'combined' ? format.options.host : '';
  return Object.assign(candidate, { eventId: `line:${hash('sha1', `${host}\n${line}`, 'base64url')}` });
}
