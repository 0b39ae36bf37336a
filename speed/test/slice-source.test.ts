/** Memory for records of the log that wait behind a limit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { offset, type LogReader, type PartitionName, type ReaderOptions } from '../../log/log.js';
import { FailedRecords } from '../bolts/failed-records.js';
import { SliceSource } from '../bolts/slice-source.js';
import { MemoryLog } from './memory-log.js';

const name: PartitionName = 'equivs/0';

/** Counts the bytes that its readers return. */
class CountingLog extends MemoryLog {
  bytes = 0;

  override async openReader(options: ReaderOptions): Promise<LogReader> {
    const reader = await super.openReader(options);
    return {
      next: async (read) => {
        const batches = await reader.next(read);
        for (const { values } of batches) for (const value of values) this.bytes += value.length;
        return batches;
      },
      close: () => reader.close(),
    };
  }
}

test('records that wait behind a limit are bounded in bytes, and go on when the limit does', async () => {
  const log = new CountingLog(1);
  const value = Buffer.alloc(500_000, 'x'); // not a fact, and as large as a log returns
  await log.append(Array.from({ length: 400 }, () => ({ topic: 'equivs' as const, key: 'k', value })));
  const from = { [name]: offset(0) };
  const failed = new FailedRecords();
  const source = await SliceSource.open({ log, from, failed, hash: new KeyedHash(), consumer: 'c' });
  for (let i = 0; i < 400; i++) assert.deepEqual(await source.next(10, 0, from), []);
  assert.ok(log.bytes > 64 * 2 ** 20 && log.bytes < 80 * 2 ** 20, `${log.bytes} bytes wait`);
  let taken = 0;
  for (let i = 0; i < 1_000 && taken < 400; i++)
    for (const slice of await source.next(10, 1_000, {})) taken += slice.to - slice.from;
  assert.equal(taken, 400);
  await source.close();
});
