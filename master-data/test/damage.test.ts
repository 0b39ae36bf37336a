/** Damage is detected before use: a flipped bit in any sealed file, a truncated file, a missing file. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { SwaError } from '../../lib/errors/errors.js';
import { readStatus } from '../../lib/process/status.js';
import { digestFile } from '../../lib/files/digest.js';
import { seal } from '../../lib/files/sealed.js';
import { openDuckDb, sqlText } from '../duckdb.js';
import { masterDir, partitionDir, rootPath } from '../layout.js';
import { SinkSession } from '../sink-session.js';
import { drainLogToMaster, startSink } from '../role.js';
import { takeSnapshot, verifySnapshotFiles } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { equiv, makeFixture, pageview, type Fixture } from './fixture.js';

async function makeDataset(fixture: Fixture): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await fixture.append(Array.from({ length: 120 }, (_, i) => pageview(round * 1000 + i)));
    await fixture.append([equiv(round)]);
    await drainLogToMaster(fixture.context);
  }
}

/** The checks of the batch layer before it reads. */
async function takeAndVerify(dataDir: string): Promise<void> {
  await verifySnapshotFiles(takeSnapshot(dataDir));
}

test('each of 400 flipped bits in sealed files is found before use', async (t) => {
  const fixture = await makeFixture(t, { partitions: 2 });
  await makeDataset(fixture);
  const data = takeSnapshot(fixture.dataDir).files.map((file) => file.path);
  const heads = [...new Set(data.map((path) => join(dirname(path), 'manifests')))].map((dir) =>
    join(dir, readdirSync(dir).toSorted().at(-1) ?? ''),
  );
  const sealed = [...data, ...heads, rootPath(fixture.dataDir)];
  let state = 3;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let flip = 0; flip < 400; flip++) {
    const path = sealed[flip % sealed.length] ?? '';
    const whole = readFileSync(path);
    const bit = random(whole.length * 8);
    const damaged = Buffer.from(whole);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(path, damaged);
    await assert.rejects(takeAndVerify(fixture.dataDir), { code: 'master.corrupt' }, `bit ${bit} of ${path}`);
    writeFileSync(path, whole);
  }
  await takeAndVerify(fixture.dataDir);
});

test('a file cut short and a file that is gone are found and named, by readers and by the audit', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await makeDataset(fixture);
  const [first, second] = takeSnapshot(fixture.dataDir).files;
  assert.ok(first && second);
  truncateSync(first.path, first.sizeBytes - 1);
  rmSync(second.path);
  await assert.rejects(takeAndVerify(fixture.dataDir), (error) => {
    assert.ok(error instanceof SwaError);
    assert.equal(error.code, 'master.corrupt');
    assert.ok(
      [first.path, second.path].some((path) => error.message.includes(path)),
      error.message,
    );
    return true;
  });
  const audit = await verifyMaster(fixture.dataDir, fixture.log);
  assert.equal(audit.ok, false);
  assert.deepEqual(audit.problems, [
    `${first.path} has ${first.sizeBytes - 1} bytes, but its manifest says ${first.sizeBytes}`,
    `${second.path} is missing`,
  ]);
});

test('the audit of an intact dataset says what it checked', async (t) => {
  const fixture = await makeFixture(t, { partitions: 2 });
  await makeDataset(fixture);
  await fixture.appendRaw([{ topic: 'equivs', key: 'k', value: Buffer.from('no fact') }]);
  const cut = await drainLogToMaster(fixture.context);
  const { files } = takeSnapshot(fixture.dataDir);
  const audit = await verifyMaster(fixture.dataDir, fixture.log);
  assert.deepEqual(audit, {
    ok: true,
    problems: [],
    findings: [],
    cut,
    checked: {
      partitions: 3,
      manifests: files.length + 3, // the first of each chain names no files
      files: files.length,
      sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
      rows: 364,
      invalidRows: 1,
      holes: 0,
      holesUnseen: 0,
      skippedOffsets: 0,
    },
  });
});

test('the audit finds a manifest that was replaced by another with a valid hash', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await makeDataset(fixture);
  const dir = join(dirname(takeSnapshot(fixture.dataDir).files[0]?.path ?? ''), 'manifests');
  const [, first = '', second = ''] = readdirSync(dir).toSorted();
  const [json = ''] = readFileSync(join(dir, first), 'utf8').split('\n');
  const forged: unknown = { ...(JSON.parse(json) as object), files: [] };
  writeFileSync(join(dir, first), seal(forged).text);
  const audit = await verifyMaster(fixture.dataDir, fixture.log);
  assert.deepEqual(audit.problems, [`${join(dir, second)} does not name the hash of its predecessor`]);
});

test('a dataset and a log that do not belong together are refused by sink and audit', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await makeDataset(fixture);
  const other = await makeFixture(t, { partitions: 1 });
  const audit = await verifyMaster(fixture.dataDir, other.log);
  assert.equal(audit.ok, false);
  assert.match(audit.problems[0] ?? '', /was made from log/);
  await assert.rejects(drainLogToMaster(fixture.context, { log: other.log }), { code: 'log.mismatch' });
});

/** Replaces the first Parquet file of pageviews/0 by another one, with matching manifest and hashes. */
async function forge(fixture: Fixture, select: string): Promise<string> {
  const [file] = takeSnapshot(fixture.dataDir).files;
  assert.ok(file);
  const dir = dirname(file.path);
  const duckdb = await openDuckDb({
    allowedDirectories: [dir],
    tempDirectory: join(dir, 'temp'),
    memoryLimit: '200MB',
    threads: 1,
  });
  const facts = `(FROM read_parquet(${sqlText(file.path)}))`;
  const temp = join(dir, 'forged');
  await duckdb.connection.run(
    `COPY (${select.replace('facts', facts)}) TO ${sqlText(temp)} (FORMAT parquet)`,
  );
  duckdb.close();
  renameSync(temp, file.path);
  const manifests = readdirSync(join(dir, 'manifests')).toSorted();
  assert.equal(manifests.length, 2);
  const path = join(dir, 'manifests', manifests[1] ?? '');
  const [json = ''] = readFileSync(path, 'utf8').split('\n');
  const { sha256, sizeBytes } = await digestFile(file.path);
  const forged = json
    .replace(file.sha256, sha256)
    .replace(`"sizeBytes":${file.sizeBytes}`, `"sizeBytes":${sizeBytes}`);
  writeFileSync(path, seal(JSON.parse(forged)).text);
  return file.path;
}

const forgeries = [
  [
    'SELECT * REPLACE (CASE "offset" WHEN 3 THEN 2 ELSE "offset" END AS "offset") FROM facts',
    [/repeats 1 offsets$/, /has no row for 1 offsets of the log, the first is 3$/],
  ],
  [
    'SELECT * FROM facts WHERE "offset" <> 3',
    [/has 9 rows, but its manifest says 10$/, /has no row for 1 offsets of the log/],
  ],
  ['SELECT * REPLACE ("offset" + 1 AS "offset") FROM facts', [/holds offsets 1 to 10, outside \[0, 10\)$/]],
  [
    "SELECT * REPLACE (NULLIF(event_id, 'event-4') AS event_id) FROM facts",
    [/has 1 rows that hold neither a fact nor a reason why not$/],
  ],
] as const;

for (const [select, problems] of forgeries) {
  test(`the audit finds what hashes cannot show: ${select}`, async (t) => {
    const fixture = await makeFixture(t, { partitions: 1 });
    await fixture.append(Array.from({ length: 10 }, (_, i) => pageview(i)));
    await drainLogToMaster(fixture.context);
    const path = await forge(fixture, select);
    const audit = await verifyMaster(fixture.dataDir, fixture.log);
    assert.equal(audit.problems.length, problems.length, audit.problems.join());
    for (const [i, pattern] of problems.entries()) {
      assert.match(audit.problems[i] ?? '', pattern);
      assert.ok(audit.problems[i]?.startsWith(path));
    }
  });
}

test('a sink whose dataset is of another log ends, and says so in the status', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await makeDataset(fixture);
  const other = await makeFixture(t, { partitions: 1 });
  cpSync(masterDir(fixture.dataDir), masterDir(other.dataDir), { recursive: true });
  const sink = await startSink(other.context);
  await assert.rejects(sink.done, { code: 'log.mismatch' });
  await sink.stop();
  const [entry] = readStatus(other.dataDir).filter(({ role }) => role === 'sink');
  assert.deepEqual([entry?.state, entry?.lastError?.code], ['failed', 'log.mismatch']);
});

test('a Parquet file that does not hold what was spooled is never committed', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await makeDataset(fixture);
  const before = takeSnapshot(fixture.dataDir);
  const [other] = before.files;
  assert.ok(other);
  await fixture.append(Array.from({ length: 120 }, (_, i) => pageview(9000 + i)));
  const session = await SinkSession.open({
    dataDir: fixture.dataDir,
    log: fixture.log,
    maxRows: 1000,
    intervalMs: 1000,
    onStep: (step, partition) => {
      const temp = join(partitionDir(fixture.dataDir, partition), 'commit.parquet.tmp');
      if (step === 'parquet-written') copyFileSync(other.path, temp);
    },
  });
  const until = await fixture.log.latest();
  const signal = new AbortController().signal;
  await assert.rejects(session.run({ signal, until }), { code: 'master.corrupt', retryable: true });
  await session.close();
  assert.deepEqual(takeSnapshot(fixture.dataDir), before);
  await drainLogToMaster(fixture.context);
  assert.deepEqual((await verifyMaster(fixture.dataDir, fixture.log)).problems, []);
});
