/**
 * Offsets with holes, as Kafka's control records leave them: kept as ranges; the audit distinguishes them from losses.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDataDir } from '../../lib/files/data-dir.js';
import { encodeRecord } from '../../facts/record.js';
import {
  offset,
  type Log,
  type LogId,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type ReaderOptions,
  type RecordBatch,
  type Share,
  type ShareOptions,
} from '../../log/log.js';
import { fixedShare } from '../../log/share.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { sinkLockPath } from '../layout.js';
import { skipGaps } from '../recover.js';
import { SinkSession } from '../sink-session.js';
import { drainLogToMaster } from '../role.js';
import { snapshotAt, takeSnapshot } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { contextOf, pageview, readRows } from './fixture.js';
import { tempDir } from '../../test/temp-dir.js';

const name: PartitionName = 'pageviews/0';
const urls = new UrlRules({ queryAllow: [] });

/** A log with one partition in memory: records at chosen offsets, an end, and the earliest retained offset. */
class HoleyLog implements Log {
  readonly id = 'holey-log' as LogId; // branding
  readonly partitions: PartitionName[] = [name];
  readonly records = new Map<number, Uint8Array>();
  end = 0;
  start = 0;
  /** Offset at which it stops returning records, as while a broker restarts. */
  silentFrom = Infinity;

  put(at: number): void {
    this.records.set(at, encodeRecord(pageview(at), urls).value);
    this.end = Math.max(this.end, at + 1);
  }

  async earliest(): Promise<Offsets> {
    return { [name]: offset(this.start) };
  }

  async latest(): Promise<Offsets> {
    return { [name]: offset(this.end) };
  }

  async openReader(options: ReaderOptions): Promise<LogReader> {
    let next = options.from[name] ?? offset(0);
    return {
      next: async ({ maxRecords }) => {
        const from = next;
        const end = Math.min(this.end, this.silentFrom);
        const offsets: Offset[] = [];
        const values: Uint8Array[] = [];
        for (; next < end && offsets.length < maxRecords; next = offset(next + 1)) {
          const value = this.records.get(next);
          if (value === undefined) continue;
          offsets.push(next);
          values.push(value);
        }
        while (next < end && !this.records.has(next)) next = offset(next + 1);
        if (next === from) return [];
        const nextOffset = next;
        const batch: RecordBatch = { topic: 'pageviews', partition: 0, name, offsets, values, nextOffset };
        return [batch];
      },
      close: async () => undefined,
    };
  }

  async share(options: ShareOptions): Promise<Share> {
    return fixedShare(this.partitions, options);
  }

  async close(): Promise<void> {}
}

function makePlace(): ReturnType<typeof contextOf> {
  const dataDir = tempDir('holes');
  const context = contextOf(dataDir, { sinkMaxRows: 4 });
  openDataDir(context.config);
  return context;
}

test('holes between and inside files stay holes, and the ranges of the files stay contiguous', async () => {
  const context = makePlace();
  const { dataDir } = context.config;
  const log = new HoleyLog();
  for (const at of [0, 1, 5, 6, 7, 20, 21, 40]) log.put(at);
  log.end = 43; // two control records at the end
  await drainLogToMaster(context, { log });
  for (const at of [50, 51]) log.put(at);
  assert.equal((await drainLogToMaster(context, { log })).next[name], 52);
  log.end = 54; // and after everything is committed, two more
  assert.equal((await drainLogToMaster(context, { log })).next[name], 54);
  const { files } = takeSnapshot(dataDir);
  const rows = await readRows(files, 'pageviews');
  assert.deepEqual(
    rows.map((row) => row['offset']),
    [...log.records.keys()],
  );
  const audit = await verifyMaster(dataDir, log);
  assert.deepEqual(audit.problems, []);
  assert.deepEqual([audit.checked.rows, audit.checked.holes, audit.checked.holesUnseen], [10, 44, 0]);
});

test('an offset that the log has and the dataset lacks is found', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  for (const at of [0, 1, 3, 4]) log.put(at);
  await drainLogToMaster(context, { log });
  log.put(2);
  const audit = await verifyMaster(context.config.dataDir, log);
  assert.equal(audit.problems.length, 1);
  assert.match(audit.problems[0] ?? '', /has no row for 1 offsets of the log, the first is 2$/);
});

test('holes that the log no longer retains are counted as unseen', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  for (const at of [0, 3, 4, 9]) log.put(at);
  await drainLogToMaster(context, { log });
  log.start = 4;
  for (const at of [0, 3]) log.records.delete(at);
  const { problems, checked } = await verifyMaster(context.config.dataDir, log);
  assert.deepEqual(problems, []);
  assert.deepEqual([checked.holes, checked.holesUnseen], [6, 2]);
});

test('holes that a silent log could not confirm are counted as unseen', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  for (const at of [0, 2, 3, 6]) log.put(at);
  await drainLogToMaster(context, { log });
  log.put(5); // lost, but the log does not say so
  log.silentFrom = 4;
  const { problems, checked } = await verifyMaster(context.config.dataDir, log);
  assert.deepEqual(problems, []);
  assert.deepEqual([checked.holes, checked.holesUnseen], [3, 2]);
});

test('records deleted before they were stored are skipped on request, and listed as a gap from then on', async () => {
  const context = makePlace();
  const { dataDir } = context.config;
  const log = new HoleyLog();
  for (const at of [0, 1, 2]) log.put(at);
  await drainLogToMaster(context, { log });
  assert.deepEqual(await skipGaps(context, log), []);
  log.end = 5; // control records, which no file but the one before takes
  for (const at of [7, 8]) log.put(at);
  log.start = 7;
  const gap = { partition: name, fromOffset: 3, toOffset: 7, manifest: 3 };
  assert.deepEqual(await skipGaps(context, log), [gap]);
  log.end = 9;
  await drainLogToMaster(context, { log });
  log.end = 11;
  await drainLogToMaster(context, { log });
  log.start = 20;
  log.put(20);
  assert.deepEqual(await skipGaps(context, log), [{ ...gap, fromOffset: 11, toOffset: 20, manifest: 6 }]);
  log.end = 22;
  assert.equal((await drainLogToMaster(context, { log })).next[name], 22);
  const snapshot = takeSnapshot(dataDir);
  const { files, cut } = snapshot;
  const rangesOf = ({ gaps }: Pick<typeof snapshot, 'gaps'>): unknown[] =>
    gaps.map(({ partition, fromOffset, toOffset }) => [partition, fromOffset, toOffset]);
  assert.deepEqual(rangesOf(snapshot), [[name, 3, 7], [name, 11, 20]]); // prettier-ignore
  const before = { ...cut, next: { ...cut.next, [name]: offset(11) } };
  assert.deepEqual(rangesOf(snapshotAt(snapshot, before)), [[name, 3, 7]]);
  assert.deepEqual(
    (await readRows(files, 'pageviews')).map((row) => row['offset']),
    [0, 1, 2, 7, 8, 20],
  );
  assert.deepEqual(
    files.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]),
    [[0, 3], [7, 11], [20, 22]], // prettier-ignore
  );
  assert.equal(cut.next[name], 22);
  const { problems, checked } = await verifyMaster(dataDir, log);
  assert.deepEqual(problems, []);
  assert.equal(checked.skippedOffsets, 4 + 9);
});

test('an empty dataset can begin after a gap; files on both sides of a gap are never merged', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  const merge = { fanIn: 2, maxRows: 100, maxBytes: 1_000_000 };
  for (const [from, to] of [
    [5, 6],
    [10, 11],
    [11, 12],
  ] as const) {
    // prettier-ignore
    log.start = from;
    log.put(to - 1);
    await skipGaps(context, log);
    const session = await SinkSession.open({ dataDir: context.config.dataDir, log, maxRows: 1, intervalMs: 1, limits: merge }); // prettier-ignore
    await session.run({ signal: new AbortController().signal, until: await log.latest() });
    await session.close();
  }
  const ranges = takeSnapshot(context.config.dataDir).files.map((file) => [file.fromOffset, file.toOffset]);
  assert.deepEqual(ranges, [[5, 6], [10, 12]]); // prettier-ignore
});

test('a gap is not skipped while a sink is running, nor with another log', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  log.put(0);
  await drainLogToMaster(context, { log });
  log.start = 4;
  log.put(4);
  const lock = OwnerLock.acquire(sinkLockPath(context.config.dataDir), 'sink');
  await assert.rejects(skipGaps(context, log), { code: 'data-dir.in-use' });
  lock.release();
  await assert.rejects(skipGaps(context, Object.assign(new HoleyLog(), { id: 'another' })), { code: 'log.mismatch' }); // prettier-ignore
});

test('a log that was given more partitions is refused', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  log.put(0);
  await drainLogToMaster(context, { log });
  log.partitions.push('pageviews/1');
  await assert.rejects(drainLogToMaster(context, { log }), { code: 'log.mismatch', message: /pageviews\/1/ });
});

test('a log that ends below the cut is refused', async () => {
  const context = makePlace();
  const log = new HoleyLog();
  for (const at of [0, 1, 2]) log.put(at);
  await drainLogToMaster(context, { log });
  log.end = 2;
  await assert.rejects(drainLogToMaster(context, { log }), { code: 'log.mismatch' });
});
