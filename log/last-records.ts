/**
 * A note in the folder of the master dataset with the last record it holds of each partition: its offset and the hash
 * of its bytes. It identifies a log that can be replaced under its own id (Kafka topics that were deleted and
 * recreated): every role compares the note with the log when it opens it. A lost or damaged note is ignored; the sink's
 * next commit rewrites it.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { replaceFile } from '../lib/files/durable.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import { validJson } from '../lib/files/valid-json.js';
import type { LogId, Offset, PartitionName } from './log.js';

export interface LastRecord {
  readonly offset: Offset;
  /** SHA-256 of the record's bytes in lower-case hex. */
  readonly sha256: string;
}

export type LastRecords = Readonly<Partial<Record<PartitionName, LastRecord>>>;

const noteSchema = z.object({
  logId: z.string(),
  records: z.record(
    z.string(),
    z.object({ offset: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

export function fingerprintOf(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('hex');
}

/** Replaces the note. */
export function keepLastRecords(dataDir: string, logId: LogId, records: LastRecords): void {
  replaceFile(lastRecordsPath(dataDir), JSON.stringify({ logId, records }));
}

/** Returns the note's records for this log; empty if there is no valid note. */
export function readLastRecords(dataDir: string, logId: LogId): LastRecords {
  const text = readIfThere(lastRecordsPath(dataDir));
  const note = text === undefined ? undefined : validJson(noteSchema, text);
  return note?.logId === logId ? (note.records as LastRecords) : {}; // written above
}

export function lastRecordsPath(dataDir: string): string {
  return join(roomOf(dataDir, 'master'), 'last-records.json');
}
