/**
 * What the embedded log need not keep any more. The batch layer knows which views may still be served from, and so what must
 * stay; only the log's writer may trim. So the one leaves a note in the data directory and the other carries it out.
 * Kafka's brokers keep to their topics' retention instead.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../data-dir.js';
import { SwaError } from '../errors.js';
import { replaceFile } from '../files/durable.js';
import { readIfThere } from '../files/read-if-there.js';
import { checkLogId, namesOf, offsetAt } from './cut.js';
import { offset, type Cut, type LogId, type LogWriter, type Offsets } from './log.js';

const noteSchema = z.object({
  logId: z.string().transform((id) => id as LogId), // written below
  next: z.record(z.string(), z.number()).transform((next) => next as Offsets), // written below
});

/** The least position on every partition of several cuts, moved back by `marginRecords`. Throws on an empty list. */
export function lowestOf(cuts: readonly Cut[], marginRecords: number): Cut {
  const [first, ...rest] = cuts;
  if (first === undefined) throw new SwaError('internal.invariant', 'the lowest of no cuts');
  const names = namesOf(first.next);
  const least = names.map((name) => {
    const lowest = Math.min(offsetAt(first.next, name), ...rest.map((cut) => offsetAt(cut.next, name)));
    return [name, offset(Math.max(0, lowest - marginRecords))] as const;
  });
  return { logId: first.logId, next: Object.fromEntries(least) };
}

/** Leaves the note: nothing below the cut is needed by anybody. */
export function requestTrim(dataDir: string, below: Cut): void {
  replaceFile(notePath(dataDir), JSON.stringify(below));
}

/** The writer's side: trims what the newest note allows. Call now and then; does nothing when the note is the last one's. */
export class Trimmer {
  readonly #dataDir: string;
  readonly #log: LogWriter;
  #done = '';

  constructor(dataDir: string, log: LogWriter) {
    this.#dataDir = dataDir;
    this.#log = log;
  }

  async run(): Promise<void> {
    const text = readIfThere(notePath(this.#dataDir)) ?? this.#done;
    if (text === this.#done) return;
    const note = noteSchema.parse(JSON.parse(text));
    checkLogId(this.#log.id, note.logId, 'the note on what the log may drop');
    await this.#log.trim(note.next);
    this.#done = text;
  }
}

function notePath(dataDir: string): string {
  return join(roomOf(dataDir, 'log'), 'trim-below.json');
}
