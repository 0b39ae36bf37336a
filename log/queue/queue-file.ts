/** Opens the LMDB file of a queue: checks it first, and explains what is wrong with it. */
import type { RootDatabase } from 'lmdb';
import { SwaError } from '../../lib/errors/errors.js';
import { makeDirDurable } from '../../lib/files/durable.js';
import { openLmdb } from '../../lib/files/lmdb-open.js';
import { queueDamage } from './queue-look.js';

const maxReaders = 126;

/** Opens or creates the file in `dir`; commits to it are durable. Throws `data-dir.unusable` if it is damaged. */
export function openQueueFile<Value>(dir: string): RootDatabase<Value, number> {
  makeDirDurable(dir);
  const damage = queueDamage(dir);
  if (damage !== undefined) {
    throw new SwaError('data-dir.unusable', `the queue ${damage}`, {
      hint: 'stop the system and run `swa recover --yes`: it moves the file aside; jobs that were waiting in it must be requested again',
    });
  }
  return openLmdb<Value, number>(dir, { maxReaders });
}
