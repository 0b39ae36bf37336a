/**
 * Records set aside: one file each in `<data>/dead-letter/`, named by its place in the log, with the reason and the
 * record's bytes. Setting the same record aside again (a replay, the next generation) changes nothing.
 */
import { join } from 'node:path';
import { roomOf } from '../../lib/files/data-dir.js';
import { createFile, makeDirDurable } from '../../lib/files/durable.js';
import type { Offset, PartitionName } from '../../log/log.js';
import { fileNameOf } from '../store/layout.js';

export interface DeadLetter {
  readonly partition: PartitionName;
  readonly offset: Offset;
  readonly reason: string;
  /** UTC ms. */
  readonly at: number;
  readonly value: Uint8Array;
}

/** Durable when it returns. */
export function writeDeadLetter(dataDir: string, letter: DeadLetter): void {
  const dir = roomOf(dataDir, 'dead-letter');
  const { value, ...rest } = letter;
  const content = { ...rest, value: Buffer.from(value).toString('utf8') };
  makeDirDurable(dir);
  createFile(join(dir, `${fileNameOf(letter.partition)}-${letter.offset}.json`), JSON.stringify(content));
}
