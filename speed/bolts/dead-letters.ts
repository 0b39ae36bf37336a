/**
 * Records set aside because they keep failing: one file per record in `<data>/dead-letter/`, named by its partition and offset, with the reason
 * and the record's bytes. Setting the same record aside again (a replay, the next generation) changes nothing.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../../lib/files/data-dir.js';
import { createFile, makeDirDurable } from '../../lib/files/durable.js';
import { readIfThere } from '../../lib/files/read-if-there.js';
import type { Findings } from '../../lib/errors/finding.js';
import type { Offset, PartitionName } from '../../log/log.js';
import { namesIn } from '../../log/stored.js';
import { validJson } from '../../lib/files/valid-json.js';
import { fileNameOf } from '../store/layout.js';

export interface DeadLetter {
  readonly partition: PartitionName;
  readonly offset: Offset;
  readonly reason: string;
  /** UTC ms. */
  readonly at: number;
  readonly value: Uint8Array;
}

/** Durable on return. */
export function writeDeadLetter(dataDir: string, letter: DeadLetter): void {
  const dir = roomOf(dataDir, 'dead-letter');
  const { value, ...rest } = letter;
  const content = { ...rest, value: Buffer.from(value).toString('utf8') };
  makeDirDurable(dir);
  createFile(join(dir, `${fileNameOf(letter.partition)}-${letter.offset}.json`), JSON.stringify(content));
}

const letterSchema = z.object({
  partition: z.string(),
  offset: z.int().min(0),
  reason: z.string(),
  at: z.number(),
  value: z.string(),
});

export interface DeadLetterPosition {
  readonly path: string;
  readonly partition: PartitionName;
  readonly offset: number;
}

/** The positions of all records set aside; files that cannot be read are findings. */
export function auditDeadLetters(dataDir: string, report: Findings): DeadLetterPosition[] {
  const dir = roomOf(dataDir, 'dead-letter');
  const fix = 'delete it: the record is in the log and in the master dataset';
  return namesIn(dir).flatMap((name) => {
    const path = join(dir, name);
    if (name.endsWith('.tmp')) {
      report.leftover(path, 'nothing: this file is never read');
      return [];
    }
    const text = report.attempt(path, fix, () => readIfThere(path));
    if (text === undefined) return [];
    const letter = validJson(letterSchema, text);
    const partition = letter?.partition as PartitionName | undefined; // compared with the file name, which we wrote
    if (letter === undefined || partition === undefined) report.add(`${path} is damaged`, fix);
    else if (name === `${fileNameOf(partition)}-${letter.offset}.json`)
      return [{ path, partition, offset: letter.offset }];
    else report.add(`${path} holds offset ${letter.offset} of ${partition}: its name does not match`, fix);
    return [];
  });
}
