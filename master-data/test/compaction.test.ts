/** Compaction: fewer files, the same rows, and nothing taken away from a reader. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { SwaError } from '../../lib/errors/errors.js';
import { offset, partitionName } from '../../log/log.js';
import { compactionLimits, planCompaction } from '../compaction.js';
import { manifestsDir, partitionDir, pinsDir } from '../layout.js';
import { keptManifests, type ManifestFile } from '../manifest.js';
import { pinSnapshot, pinnedManifests } from '../pins.js';
import { SinkSession, compactionPauseMs } from '../sink-session.js';
import { takeSnapshot, verifySnapshotFiles } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { makeFixture, pageview, readRows, type Fixture } from './fixture.js';

const limits = { fanIn: 4, maxRows: 100_000, maxBytes: 1e9 };

async function drain(
  fixture: Fixture,
  onProblem: (error: unknown) => void = assert.ifError,
  change: { readonly maxRows?: number } = {},
): Promise<void> {
  const { dataDir, log } = fixture;
  const options = {
    dataDir,
    log,
    maxRows: 1000,
    intervalMs: 60_000,
    limits,
    onProblem,
    ...change,
  };
  const session = await SinkSession.open(options);
  try {
    await session.run({ signal: new AbortController().signal, until: await log.latest() });
  } finally {
    await session.close();
  }
}

async function commitRounds(fixture: Fixture, from: number, rounds: number): Promise<void> {
  for (let i = from; i < from + rounds; i++) {
    await fixture.append(Array.from({ length: 10 }, (_, k) => pageview(i * 10 + k)));
    await drain(fixture);
  }
}

test('small files become few large ones with the same rows in the same order', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await commitRounds(fixture, 0, 20);
  const { files } = takeSnapshot(fixture.dataDir);
  assert.ok(files.length <= 6, `${files.length} files`);
  const rows = await readRows(files, 'pageviews');
  assert.deepEqual(
    rows.map((row) => [row['offset'], row['event_id']]),
    Array.from({ length: 200 }, (_, i) => [i, `event-${i}`]),
  );
  assert.deepEqual((await verifyMaster(fixture.dataDir, fixture.log)).problems, []);
});

test('a pinned snapshot can be read completely until it is released; then its files are removed', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await commitRounds(fixture, 0, 3);
  const pinned = pinSnapshot(fixture.dataDir, 'test');
  await commitRounds(fixture, 3, 20 + keptManifests);
  await verifySnapshotFiles(pinned.snapshot);
  assert.equal((await readRows(pinned.snapshot.files, 'pageviews')).length, 30);
  const paths = pinned.snapshot.files.map((file) => file.path);
  pinned.release();
  pinned.release();
  await commitRounds(fixture, 40, 1);
  assert.deepEqual(paths.filter(existsSync), []);
  assert.deepEqual(readdirSync(pinsDir(fixture.dataDir)), []);
  const manifests = readdirSync(manifestsDir(fixture.dataDir, partitionName('pageviews', 0)));
  assert.equal(manifests.length, keptManifests);
});

test('the pin of a dead process has no effect', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await commitRounds(fixture, 0, 1);
  const code = `
    const { pinSnapshot } = await import(${JSON.stringify(new URL('../pins.js', import.meta.url).href)});
    pinSnapshot(${JSON.stringify(fixture.dataDir)}, 'batch run');
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
  assert.deepEqual(await once(child, 'close'), [null, 'SIGKILL']);
  assert.equal(readdirSync(pinsDir(fixture.dataDir)).length, 2);
  const paths = takeSnapshot(fixture.dataDir).files.map((file) => file.path);
  await commitRounds(fixture, 1, 5);
  assert.deepEqual(paths.filter(existsSync), []);
  assert.deepEqual(readdirSync(pinsDir(fixture.dataDir)), []);
});

test('pins have no effect in a copied directory while their owner continues to read', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await commitRounds(fixture, 0, 1);
  const pin = pinSnapshot(fixture.dataDir, 'batch run');
  t.after(() => pin.release());
  const copy = `${fixture.dataDir}-copy`;
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(fixture.dataDir, copy, { recursive: true });
  assert.deepEqual(pinnedManifests(copy), new Map());
  assert.deepEqual(readdirSync(pinsDir(copy)), []);
  assert.equal((pinnedManifests(fixture.dataDir) as Map<unknown, unknown>).size, 2);
});

test('a damaged file is not compacted into an intact one, and new facts are still committed', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await commitRounds(fixture, 0, 3);
  const [file] = takeSnapshot(fixture.dataDir).files;
  assert.ok(file);
  const bytes = readFileSync(file.path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(file.path, bytes);
  const problems: unknown[] = [];
  await fixture.append([pageview(1000)]);
  await drain(fixture, (error) => problems.push(error));
  assert.match(String(problems[0]), /does not match the hash/);
  const { files, cut } = takeSnapshot(fixture.dataDir);
  assert.equal(files.length, 4);
  assert.deepEqual(cut.next, await fixture.log.latest());
});

for (const [what, error, isTriedAgain] of [
  ['what passes', Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }), true],
  ['damage', new SwaError('master.corrupt', 'not what it was'), false],
] as const) {
  test(`a compaction stopped by ${what} is tried again ${isTriedAgain ? 'minutes later' : 'by the next sink only'}`, async (t) => {
    const fixture = await makeFixture(t, { partitions: 1 });
    const { dataDir, log } = fixture;
    const problems: unknown[] = [];
    let elapsedMs = 0;
    const session = await SinkSession.open({
      dataDir,
      log,
      maxRows: 1000,
      intervalMs: 60_000,
      limits,
      elapsedMs: () => elapsedMs,
      onProblem: (problem) => problems.push(problem),
      onStep: (step, name) => {
        if (step !== 'parquet-checked' || problems.length > 0) return;
        if (readdirSync(partitionDir(dataDir, name)).includes('compaction.parquet.tmp')) throw error;
      },
    });
    t.after(() => session.close());
    const commit = async (i: number): Promise<number> => {
      await fixture.append([pageview(i)]);
      await session.run({ signal: new AbortController().signal, until: await log.latest() });
      return takeSnapshot(dataDir).files.length;
    };
    for (let i = 1; i <= 4; i++) assert.equal(await commit(i), i);
    assert.deepEqual(problems, [error]);
    elapsedMs += compactionPauseMs - 1;
    assert.equal(await commit(5), 5);
    elapsedMs += 1;
    assert.equal(await commit(6), isTriedAgain ? 3 : 6);
    assert.deepEqual(problems, [error]);
  });
}

test('stopping the sink interrupts a compaction, which harms nothing', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const { dataDir, log } = fixture;
  const round = (i: number): Promise<void> =>
    fixture.append(Array.from({ length: 2_000 }, (_, k) => pageview(i * 2_000 + k)));
  for (let i = 0; i < limits.fanIn - 1; i++) {
    await round(i);
    await drain(fixture, undefined, { maxRows: 10_000 });
  }
  await round(limits.fanIn - 1);
  const stopping = new AbortController();
  const options = { dataDir, log, maxRows: 10_000, intervalMs: 10, limits, onProblem: assert.ifError };
  const session = await SinkSession.open(options);
  try {
    const run = session.run({ signal: stopping.signal });
    const dir = partitionDir(dataDir, partitionName('pageviews', 0));
    const deadline = performance.now() + 60_000;
    while (!readdirSync(dir).some((name) => name.startsWith('compaction.'))) {
      assert.ok(performance.now() < deadline, 'no compaction begins');
      await new Promise((resolve) => setImmediate(resolve));
    }
    stopping.abort();
    await run;
  } finally {
    await session.close();
  }
  assert.equal(takeSnapshot(dataDir).files.length, limits.fanIn);
  assert.deepEqual((await verifyMaster(dataDir, log)).problems, []);
});

test('the plan always ends, within its limits, with few files', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1_200_000 })), {
    maxLength: 120,
  });
  const plan = { ...compactionLimits, maxRows: 1_000_000 };
  fc.assert(
    fc.property(sizes, (rowCounts) => {
      let at = 0;
      let files = rowCounts.map((rows) => fileOf((at += rows) - rows, at));
      for (let step = 0; step <= rowCounts.length; step++) {
        const chosen = planCompaction(files, plan);
        if (chosen === undefined) break;
        assert.ok(chosen.length >= 2 && step < rowCounts.length, 'the plan does not end');
        const first = files.indexOf(chosen[0] ?? fileOf(0, 0));
        assert.deepEqual(files.slice(first, first + chosen.length), chosen, 'not adjacent');
        const merged = fileOf(chosen[0]?.fromOffset ?? 0, chosen.at(-1)?.toOffset ?? 0);
        assert.ok(merged.rows <= plan.maxRows);
        files = files.toSpliced(first, chosen.length, merged);
      }
      const large = files.filter((file) => file.rows > plan.maxRows / 2).length;
      assert.ok(files.length <= large + (large + 1) * 7 * 8, `${files.length} files left`);
    }),
  );
});

function fileOf(from: number, to: number): ManifestFile {
  return {
    name: `${from}.parquet`,
    sizeBytes: (to - from) * 30,
    rows: to - from,
    fromOffset: offset(from),
    toOffset: offset(to),
    sha256: '',
    minTimestamp: null,
    maxTimestamp: null,
  };
}
