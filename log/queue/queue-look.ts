/**
 * Tells whether a queue is empty without loading LMDB, which takes longer than everything else a command does for that
 * question.
 */
import { join } from 'node:path';
import { lmdbRecords } from '../../lib/files/lmdb-file.js';

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
