/**
 * What a data directory remembers of its Kafka log. Topics can be deleted and recreated by others, so a directory that
 * has a log never creates topics again and compares the log it finds with these files:
 *
 *   log/kafka.json             the log's id, and a name for this directory; created once
 *   master/root.json           the log's id, for a directory that was restored or is older than the file above
 *   master/last-records.json   a note of the sink: see last-records.ts
 *   log/accepted-unread.json   number of records in unread partitions that an operator has accepted as lost
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { createFile, replaceFile } from '../../lib/files/durable.js';
import { readIfThere } from '../../lib/files/read-if-there.js';
import { validJson } from '../../lib/files/valid-json.js';
import { storedLogId } from '../stored.js';
import { keepLastRecords, readLastRecords, type LastRecords } from '../last-records.js';
import type { LogId } from '../log.js';

const acceptedSchema = z.object({ logId: z.string(), records: z.int().min(0) });

const fileSchema = z.object({ logId: z.string().min(1), home: z.string().min(1) });

export class KafkaMemory {
  readonly #dataDir: string;
  readonly #path: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#path = join(roomOf(dataDir, 'log'), 'kafka.json');
  }

  /**
   * Returns the log's id; undefined if this directory has no log yet. Throws `data-dir.unusable` for a damaged file.
   */
  logId(): LogId | undefined {
    return (this.#file()?.logId as LogId | undefined) ?? storedLogId(this.#dataDir); // branding: written from a LogId
  }

  /**
   * A name that is the same for all processes of this data directory and unique to it; '' if the directory does not
   * exist.
   */
  home(): string {
    return this.#file()?.home ?? '';
  }

  /** Stores the log's id once. Does not create the data directory. */
  keepLogId(logId: LogId): void {
    if (!existsSync(roomOf(this.#dataDir, 'log'))) return;
    createFile(this.#path, JSON.stringify({ logId, home: randomUUID() }));
  }

  lastRecords(logId: LogId): LastRecords {
    return readLastRecords(this.#dataDir, logId);
  }

  keepLastRecords(logId: LogId, records: LastRecords): void {
    keepLastRecords(this.#dataDir, logId, records);
  }

  /**
   * Number of records in unread partitions that were accepted, so that answers no longer report them; 0 if the note is
   * damaged.
   */
  acceptedUnread(logId: LogId): number {
    const text = readIfThere(acceptedUnreadPath(this.#dataDir));
    const note = text === undefined ? undefined : validJson(acceptedSchema, text);
    return note?.logId === logId ? note.records : 0;
  }

  acceptUnread(logId: LogId, records: number): void {
    replaceFile(acceptedUnreadPath(this.#dataDir), JSON.stringify({ logId, records }));
  }

  #file(): z.output<typeof fileSchema> | undefined {
    const text = readIfThere(this.#path);
    if (text === undefined) return undefined;
    const file = validJson(fileSchema, text);
    if (file !== undefined) return file;
    throw new SwaError('data-dir.unusable', `${this.#path} is damaged: it does not say which log this is`, {
      hint: 'delete it only if the Kafka topics are still the ones this data directory was created with',
    });
  }
}

export function acceptedUnreadPath(dataDir: string): string {
  return join(roomOf(dataDir, 'log'), 'accepted-unread.json');
}
