/** What an import has done so far, as it stands on the status board. Without the importer itself, so that showing it loads nothing of that. */
import { z } from 'zod';

const importCountsSchema = z.object({
  read: z.number(),
  accepted: z.number(),
  /** Lines with an eventId of their own that repeat a line before them: type, eventId, visitor, URL and user agent, or ids, are equal. */
  repeated: z.number().default(0),
  /** Lines that are well and no pageview by the options of the import: the status, the method, static files. */
  filtered: z.number(),
  /** Lines that cannot be read, or that the door refuses. */
  rejected: z.number(),
  /** Filtered and rejected lines by reason. */
  filteredBy: z.record(z.string(), z.number()).default({}),
  rejectedBy: z.record(z.string(), z.number()).default({}),
  /** Pageviews among the accepted that the bot rule leaves out of every answer. */
  bots: z.number().default(0),
  /** On the way into the sink; at the end only those of a sink that failed. */
  unconfirmed: z.number(),
  /** What was changed about accepted and repeated lines; several a line may be. */
  warnings: z.number().default(0),
  /** Lines at the begin of the file that earlier imports have taken. Not in `read`. */
  known: z.number().default(0),
  /** NUL bytes that were passed over: see lines.ts. */
  nulBytes: z.number().default(0),
  /** Bytes after the end of gzip data that are not gzip. They were not read. */
  garbageBytes: z.number().default(0),
  /** 1 when the file ended within a line, which was left for a later import: see `isWhole`. Not in `read`. */
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

/** Reasons told apart; some come from outside. */
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
  /** Why it failed, was interrupted or waits, what it left, or where its rejected lines are. */
  note: z.string().nullable(),
});
export type ImportState = Readonly<z.infer<typeof importStateSchema>>;
