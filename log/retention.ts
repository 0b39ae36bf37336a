/**
 * Retention of the embedded log. The batch layer knows which views may still be served, and so how much of the log must
 * stay, but only the log's writer may trim. So the batch layer writes a note into the data directory and the writer
 * carries it out. Kafka's brokers use the retention of their topics instead.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { SwaError } from '../lib/errors/errors.js';
import { replaceFile } from '../lib/files/durable.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import type { Findings } from '../lib/errors/finding.js';
import { checkLogId, namesOf, offsetAt } from './cut.js';
import { offset, parsePartitionName, type Cut, type LogId, type LogWriter, type Offsets } from './log.js';
import { provenEnd } from './stored.js';
import { validJson } from '../lib/files/valid-json.js';

const noteSchema = z.object({
  logId: z.string().transform((id) => id as LogId), // written below
  next: z.record(z.string(), z.number()).transform((next) => next as Offsets), // written below
});

/** Returns the lowest position of several cuts on every partition. Throws `internal.invariant` on an empty list. */
export function lowestOf(cuts: readonly Cut[]): Cut {
  const [first, ...rest] = cuts;
  if (first === undefined) throw new SwaError('internal.invariant', 'lowestOf() needs at least one cut');
  const least = namesOf(first.next).map((name) => {
    const others = rest.map((cut) => offsetAt(cut.next, name));
    return [name, offset(Math.min(offsetAt(first.next, name), ...others))] as const;
  });
  return { logId: first.logId, next: Object.fromEntries(least) };
}

/**
 * Moves a cut back so that a realtime view that starts at it still finds repeats of earlier pageviews: by as many
 * offsets as the last run added to a partition, at most by the window. A fixed margin would keep the whole log of a
 * small site, because the log is deleted in segments that all partitions share.
 *
 * @param lastRun the cuts of the last two runs, the older one first
 * @param windowRecords how far back repeats are looked for, in offsets of one partition
 */
export function withWindow(
  cut: Cut,
  lastRun: { readonly from: Partial<Offsets>; readonly to: Offsets },
  windowRecords: number,
): Cut {
  const next = namesOf(cut.next).map((name) => {
    const hasWindow = parsePartitionName(name).topic === 'pageviews';
    const added = offsetAt(lastRun.to, name) - (lastRun.from[name] ?? 0);
    const margin = hasWindow ? Math.min(windowRecords, Math.max(0, added)) : 0;
    return [name, offset(Math.max(0, offsetAt(cut.next, name) - margin))] as const;
  });
  return { logId: cut.logId, next: Object.fromEntries(next) };
}

/** Writes the note: nothing below the cut is needed any more. */
export function requestTrim(dataDir: string, below: Cut): void {
  replaceFile(notePath(dataDir), JSON.stringify(below));
}

/**
 * The writer's side: trims what the newest note allows. Call `run` periodically; it does nothing if the note has not
 * changed.
 */
export class Trimmer {
  readonly #dataDir: string;
  readonly #log: LogWriter;
  #done = '';

  constructor(dataDir: string, log: LogWriter) {
    this.#dataDir = dataDir;
    this.#log = log;
  }

  /**
   * Trims up to the note, but only facts that the master dataset holds now: it may have been replaced by an older copy
   * since the note was written. Throws `master.corrupt`, and deletes nothing.
   */
  async run(): Promise<void> {
    const text = readIfThere(notePath(this.#dataDir)) ?? this.#done;
    if (text === this.#done) return;
    const note = noteSchema.parse(JSON.parse(text));
    checkLogId(this.#log.id, note.logId, 'the note on what the log may drop');
    await this.#log.trim(this.#stored(note.next));
    this.#done = text;
  }

  #stored(below: Offsets): Offsets {
    const least = namesOf(below).map((name) => {
      const end = provenEnd(this.#dataDir, name);
      return [name, offset(Math.min(offsetAt(below, name), end))] as const;
    });
    return Object.fromEntries(least);
  }
}

/** Reports a note that cannot be read. */
export function auditTrimNote(dataDir: string, report: Findings): void {
  const path = notePath(dataDir);
  const fix = 'delete it: the next batch run writes it again';
  const text = report.attempt(path, fix, () => readIfThere(path));
  if (text !== undefined && validJson(noteSchema, text) === undefined)
    report.add(`${path} is damaged: the log cannot tell what it may delete, so it deletes nothing`, fix);
}

function notePath(dataDir: string): string {
  return join(roomOf(dataDir, 'log'), 'trim-below.json');
}
