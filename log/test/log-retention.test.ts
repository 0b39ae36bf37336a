import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../lib/time/clock.js';
import { configWith } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { seal } from '../../lib/files/sealed.js';
import { offset, type Cut, type LogId } from '../log.js';
import { openLogWriter } from '../open-log.js';
import { Trimmer, lowestOf, requestTrim, withWindow } from '../retention.js';
import { dataFileRange, manifestsDir, partitionDir } from '../stored.js';
import { tempDir } from '../../test/temp-dir.js';

const cutOf = (logId: LogId, pageviews: number, equivs: number): Cut => ({
  logId,
  next: { 'pageviews/0': offset(pageviews), 'equivs/0': offset(equivs) },
});

/** Writes a manifest with a data file, of which the trimmer checks only name and size; returns the file's path. */
function store(dataDir: string, to: number, besides: readonly string[] = []): string {
  const dir = partitionDir(dataDir, 'pageviews/0');
  const manifests = manifestsDir(dataDir, 'pageviews/0');
  mkdirSync(manifests, { recursive: true });
  const path = join(dir, dataFileName(to));
  if (!besides.includes(path)) writeFileSync(path, 'facts');
  const files = [...besides.map((other) => basename(other)), basename(path)].map((name, i, all) => ({
    name,
    sizeBytes: 5,
    fromOffset: i === 0 ? 0 : (dataFileRange(all[i - 1] ?? '')?.toOffset ?? 0),
    toOffset: dataFileRange(name)?.toOffset,
  }));
  const number = String(readdirSync(manifests).length + 1).padStart(10, '0');
  writeFileSync(join(manifests, `${number}.json`), seal({ files }).text);
  return path;
}

function dataFileName(to: number): string {
  return `${'0'.padStart(16, '0')}-${String(to).padStart(16, '0')}-0123456789abcdef.parquet`;
}

test('the lowest of several cuts is the least on every partition', () => {
  const id = 'x' as LogId; // any id
  assert.deepEqual(lowestOf([cutOf(id, 50, 9), cutOf(id, 70, 3)]), cutOf(id, 50, 3));
});

test('the window is kept for pageviews only, and at most by what the last run added', () => {
  const id = 'x' as LogId; // any id
  const lastRun = { from: cutOf(id, 60, 1).next, to: cutOf(id, 70, 9).next };
  assert.deepEqual(withWindow(cutOf(id, 50, 9), lastRun, 5), cutOf(id, 45, 9));
  assert.deepEqual(withWindow(cutOf(id, 50, 9), lastRun, 1_000_000), cutOf(id, 40, 9));
  assert.deepEqual(withWindow(cutOf(id, 3, 9), lastRun, 1_000_000), cutOf(id, 0, 9));
  assert.deepEqual(withWindow(cutOf(id, 50, 9), { ...lastRun, from: {} }, 1_000_000), cutOf(id, 0, 9));
});

test('the writer drops what the note allows, whole segments only, and keeps the rest', async (t) => {
  const dataDir = tempDir('retention');
  const config = configWith({ dataDir, partitions: 1, segmentBytes: 65_536 });
  openDataDir(config);
  const log = await openLogWriter(config, systemClock);
  t.after(async () => {
    await log.close();
    rmSync(dataDir, { recursive: true });
  });
  const value = new Uint8Array(1_000);
  for (let i = 0; i < 400; i++) await log.append([{ topic: 'pageviews', key: 'k', value }]);
  const trimmer = new Trimmer(dataDir, log);
  await trimmer.run();
  assert.equal((await log.earliest())['pageviews/0'], 0, 'no note, nothing dropped');
  requestTrim(dataDir, cutOf(log.id, 300, 0));
  await trimmer.run();
  assert.equal((await log.earliest())['pageviews/0'], 0, 'the master dataset has nothing');
  const file = store(dataDir, 250);
  await new Trimmer(dataDir, log).run();
  const half = (await log.earliest())['pageviews/0'] ?? 0;
  assert.ok(half > 150 && half <= 250, `earliest ${half}: no more than the master dataset has`);
  rmSync(file);
  store(dataDir, 300, [file]);
  await assert.rejects(new Trimmer(dataDir, log).run(), { code: 'master.corrupt' });
  assert.equal(
    (await log.earliest())['pageviews/0'],
    half,
    'a file of the master dataset is gone: nothing dropped',
  );
  store(dataDir, 300);
  await new Trimmer(dataDir, log).run();
  const earliest = (await log.earliest())['pageviews/0'] ?? 0;
  assert.ok(earliest > 200 && earliest <= 300, `earliest ${earliest}`);
  requestTrim(dataDir, cutOf('another' as LogId, 400, 0)); // a log id that is not this log's
  await assert.rejects(trimmer.run(), /another/);
  assert.equal((await log.earliest())['pageviews/0'], earliest);
});
