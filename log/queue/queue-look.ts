/**
 * Tells whether a queue is sound, and whether it is empty, without loading LMDB, which takes longer than everything
 * else a command does for that question.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { lmdbDamage, lmdbRecords, lockFileDamage } from '../../lib/files/lmdb-file.js';

/**
 * Returns true if the queue in `dir` holds no item, and false if it cannot be read: opening the queue then reports why.
 */
export function isEmptyQueue(dir: string): boolean {
  let records = 0;
  const damage = lmdbRecords(join(dir, 'data.mdb'), () => {
    records = 0;
    return { record: () => void records++, end: () => undefined };
  });
  return damage === undefined && records <= 1; // one record holds the totals
}

/** Returns the damaged file of the queue in `dir` and what is wrong with it; undefined if the queue can be opened. */
export function queueDamage(dir: string): string | undefined {
  const file = join(dir, 'data.mdb');
  const damage = existsSync(file) ? lmdbDamage(file) : undefined;
  if (damage !== undefined) return `${file} is damaged: ${damage}`;
  const ofLock = lockFileDamage(dir);
  return ofLock === undefined ? undefined : `${join(dir, 'lock.mdb')} is damaged: ${ofLock}`;
}
