/** A look at a queue without LMDB: loading that takes longer than all else that a command does which only asks whether there is something. */
import { join } from 'node:path';
import { lmdbRecords } from '../../lib/files/lmdb-file.js';

/** Whether the queue kept in `dir` holds nothing; false where that cannot be told: who opens it says why. */
export function isEmptyQueue(dir: string): boolean {
  let records = 0;
  const damage = lmdbRecords(join(dir, 'data.mdb'), () => {
    records = 0;
    return { record: () => void records++, end: () => undefined };
  });
  return damage === undefined && records <= 1; // one holds the totals
}
