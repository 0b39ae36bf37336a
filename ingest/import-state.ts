/** Counts and state of an import, as shown on the status board. Separate from the importer, so that showing them does not load it. */
import { z } from 'zod';

const importCountsSchema = z.object({
  read: z.number(),
  accepted: z.number(),
  /** Lines with their own eventId that repeat an earlier line: type, eventId, visitor, URL and user agent (or the ids of an edge) are equal. */
  repeated: z.number().default(0),
  /** Valid lines that are not pageviews by the import's options: status, method, static files. */
  filtered: z.number(),
  /** Lines that cannot be parsed, or that the door rejects. */
  rejected: z.number(),
  /** Filtered and rejected lines by reason. */
  filteredBy: z.record(z.string(), z.number()).default({}),
  rejectedBy: z.record(z.string(), z.number()).default({}),
  /** Accepted pageviews that the bot rule leaves out of every answer. */
  bots: z.number().default(0),
  /** Facts on their way into the sink. Not 0 at the end only if the sink failed. */
  unconfirmed: z.number(),
  /** Warnings about accepted and repeated lines; a line may have several. */
  warnings: z.number().default(0),
  /** Lines at the beginning of the file that earlier imports took. Not in `read`. */
  known: z.number().default(0),
  /** NUL bytes that were skipped: see lines.ts. */
  nulBytes: z.number().default(0),
  /** Bytes after the end of gzip data that are not gzip, and were ignored. */
  garbageBytes: z.number().default(0),
  /** 1 if the file ended within a line, which was left for a later import: see `isWhole`. Not in `read`. */
  waiting: z.number().default(0),
});
export type ImportCounts = z.infer<typeof importCountsSchema>;

export function newImportCounts(): ImportCounts {
  return {
    read: 0,
    accepted: 0,
    repeated: 0,
    filtered: 0,
    rejected: 0,
    filteredBy: {},
    rejectedBy: {},
    bots: 0,
    unconfirmed: 0,
    warnings: 0,
    known: 0,
    nulBytes: 0,
    garbageBytes: 0,
    waiting: 0,
  };
}

/** Maximum number of reasons counted by name: some contain text from the input. */
const maxReasons = 40;

export function countReason(by: Record<string, number>, reason: string, lines = 1): void {
  const key = reason in by || Object.keys(by).length < maxReasons ? reason : 'other reasons';
  by[key] = (by[key] ?? 0) + lines;
}

export const importStateSchema = importCountsSchema.extend({
  /** Id of the job. */
  job: z.number(),
  file: z.string(),
  /** Interrupted: the process ended first, or lost the job's lease; the next worker that takes the job repeats the import. */
  state: z.enum(['running', 'interrupted', 'done', 'failed']),
  /** Why the import failed, was interrupted or waits; or the path of its rejected lines. */
  note: z.string().nullable(),
});
export type ImportState = Readonly<z.infer<typeof importStateSchema>>;
