/** The embedded log: the conformance suite of all logs, and tests specific to segment files. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { zeroOffsets } from '../cut.js';
import { openEmbeddedLog } from '../embedded/embedded-log.js';
import { encodeSegmentHeader } from '../embedded/layout.js';
import { openEmbeddedWriter } from '../embedded/writer.js';
import { offset } from '../log.js';
import { logConformance, readUntil, record, rejectsWith, suitePartitions } from './log-conformance.js';
import { tempDir } from '../../test/temp-dir.js';

const segmentBytes = 4096;

async function withDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = tempDir('log');
  try {
    await body(join(dir, 'log'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const openWriter = (dir: string, partitions = suitePartitions) =>
  openEmbeddedWriter({ dir, partitions, segmentBytes });
const openLog = (dir: string) => openEmbeddedLog({ dir, partitions: suitePartitions });

logConformance(
  'embedded log',
  async () => {
    const dir = tempDir('log');
    return {
      openWriter: () => openWriter(dir),
      openLog: () => openLog(dir),
      dispose: async () => rmSync(dir, { recursive: true }),
    };
  },
  false,
);

test('a second writer is refused and harms nothing', () =>
  withDir(async (dir) => {
    const writer = await openWriter(dir);
    await rejectsWith('data-dir.in-use', openWriter(dir));
    await writer.append([record('k', 'v')]);
    await writer.close();
    await (await openWriter(dir)).close();
  }));

test('a closed reader is not kept in memory', () =>
  withDir(async (dir) => {
    const log = await openEmbeddedWriter({ dir, partitions: suitePartitions, segmentBytes: 4 * 2 ** 20 });
    await log.append(Array.from({ length: 20 }, (_, i) => record('k', `${i}`.repeat(40_000), 'equivs')));
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void; // what the flag makes
    for (let i = 0; i < 40; i++) {
      const reader = await log.openReader({ from: { 'equivs/0': offset(0) }, consumer: 'c' });
      await reader.next({ maxRecords: 5, timeoutMs: 0 });
      await reader.close();
    }
    const held = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers / 2 ** 20;
    };
    for (let looks = 0; held() > 20; looks++) assert.ok(looks < 20, `${held()} MiB are held`);
    await log.close();
  }));

test('the number of partitions is fixed when the log is created', () =>
  withDir(async (dir) => {
    await (await openWriter(dir, 3)).close();
    const error = await rejectsWith('config.invalid', openWriter(dir, 5));
    assert.match(error.hint ?? '', /SWA_PARTITIONS=3/);
  }));

test('trim deletes whole segments below the cut; readers at positions in them are out of range, others continue', () =>
  withDir(async (dir) => {
    const writer = await openWriter(dir);
    const slow = await writer.openReader({ from: zeroOffsets(writer.partitions), consumer: 'slow' });
    for (let i = 0; i < 60; i++) await writer.append([record('k', `${i} ${'x'.repeat(400)}`, 'equivs')]);
    const log = await openLog(dir);
    const at30 = { ...zeroOffsets(log.partitions), 'equivs/0': offset(30) };
    await writer.trim(at30);
    const earliest = (await log.earliest())['equivs/0'];
    assert.ok(earliest !== undefined && earliest > 0 && earliest <= 30, `earliest is ${earliest}`);
    await rejectsWith('log.out-of-range', log.openReader({ from: { 'equivs/0': offset(0) }, consumer: 'c' }));
    await rejectsWith('log.out-of-range', (async () => {
      for (;;) if ((await slow.next({ maxRecords: 5, timeoutMs: 0 })).length === 0) return;
    })()); // prettier-ignore
    const seen = await readUntil(await log.openReader({ from: at30, consumer: 'c' }), {
      'equivs/0': offset(60),
    });
    assert.equal(seen.get('equivs/0')?.length, 30);
    await writer.close();
    const again = await openWriter(dir);
    assert.equal((await again.latest())['equivs/0'], 60);
    await Promise.all([again.close(), log.close()]);
  }));

test('a reader reads up to the watermark, whatever follows it', () =>
  withDir(async (dir) => {
    const writer = await openWriter(dir);
    await writer.append([record('k', 'durable', 'equivs')]);
    const before = readFileSync(join(dir, 'watermark'));
    await writer.append([record('k', 'written, not synced yet', 'equivs')]);
    const after = readFileSync(join(dir, 'watermark'));
    writeFileSync(join(dir, 'watermark'), before); // as it is while a commit is under way
    const log = await openLog(dir);
    assert.equal((await log.latest())['equivs/0'], 1);
    const reader = await log.openReader({ from: { 'equivs/0': offset(0) }, consumer: 'c' });
    const read = async () =>
      (await reader.next({ maxRecords: 10, timeoutMs: 0 })).flatMap(({ offsets }) => offsets);
    assert.deepEqual(await read(), [0]);
    assert.deepEqual(await read(), []);
    writeFileSync(join(dir, 'watermark'), after);
    assert.deepEqual(await read(), [1]);
    await reader.close();
    await Promise.all([writer.close(), log.close()]);
  }));

test('a reader waits before a segment that a killed writer began, and continues after the next writer has begun one', () =>
  withDir(async (dir) => {
    const writer = await openWriter(dir);
    await writer.append([record('k', 'before', 'equivs')]);
    await writer.close();
    const log = await openLog(dir);
    const end = await log.latest();
    const previousEnd = statSync(join(dir, 'segment-0000000001.log')).size;
    const base = log.partitions.map((name) => end[name] ?? 0);
    writeFileSync(
      join(dir, 'segment-0000000002.log'),
      encodeSegmentHeader({ number: 2, logId: log.id, previousEnd, base }),
    );

    const reader = await log.openReader({ from: end, consumer: 'test' });
    assert.deepEqual(await reader.next({ maxRecords: 10, timeoutMs: 1 }), []);
    const again = await openWriter(dir);
    await again.append([record('k', 'after', 'equivs')]);
    const until = { 'equivs/0': offset(2) };
    assert.equal((await readUntil(reader, until)).get('equivs/0')?.[0]?.text, 'after');
    await reader.close();
    await log.close();
    await again.close();
  }));

test('an append of more than one commit arrives whole', () =>
  withDir(async (dir) => {
    const writer = await openWriter(dir);
    const records = Array.from({ length: 40 }, (_, i) => record('k', `${i}`.padEnd(500_000), 'equivs'));
    await writer.append(records);
    const reader = await writer.openReader({ from: zeroOffsets(writer.partitions), consumer: 'c' });
    const seen = await readUntil(reader, await writer.latest());
    assert.deepEqual(
      seen.get('equivs/0')?.map((item) => Number(item.text)),
      records.map((_, i) => i),
    );
    await writer.close();
  }));

test('a damaged record is found before it is used, and a damaged older segment stops the reader', () =>
  withDir(async (dir) => {
    const writer = await openWriter(dir);
    for (let i = 0; i < 40; i++) await writer.append([record('k', `${i}`.padEnd(400), 'equivs')]);
    await writer.close();
    const [first] = readdirSync(dir).filter((name) => name.startsWith('segment')).toSorted(); // prettier-ignore
    const path = join(dir, first ?? '');
    const bytes = readFileSync(path);
    bytes[1000] = (bytes[1000] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    const log = await openLog(dir);
    const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'c' });
    await rejectsWith('log.corrupt', readUntil(reader, await log.latest()));
    await log.close();
  }));
