/** Opens the LMDB file of a queue: checks it first, and makes its name durable before anything in it is relied on. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { SwaError } from '../../lib/errors/errors.js';
import { fsyncDir, fsyncFile, makeDirDurable } from '../../lib/files/durable.js';
import { lmdbDamage } from '../../lib/files/lmdb-file.js';
import { reserveLockFile } from '../../lib/files/lmdb-room.js';

const maxReaders = 126;

/** Opens or creates the file in `dir`; commits to it are durable. Throws `data-dir.unusable` if it is damaged. */
export function openQueueFile<Value>(dir: string): RootDatabase<Value, number> {
  makeDirDurable(dir);
  const file = join(dir, 'data.mdb');
  const isNew = !existsSync(file);
  const damage = isNew ? undefined : lmdbDamage(file);
  if (damage !== undefined) {
    throw new SwaError('data-dir.unusable', `the queue ${file} is damaged: ${damage}`, {
      hint: 'stop the system and run `swa recover --yes`: it moves the file aside; jobs that were waiting in it must be requested again',
    });
  }
  reserveLockFile(dir, maxReaders);
  // With overlapping syncs, lmdb-js has acknowledged a commit whose last page could not be written.
  const db = open<Value, number>({ path: dir, overlappingSync: false, maxReaders });
  if (isNew) {
    // LMDB syncs its commits, but not the first pages of a new file or the file's name.
    fsyncFile(file);
    fsyncDir(dir);
  }
  return db;
}
