/** Each problem that `swa recover` repairs: what it shows and does, and that it deletes nothing and may be killed and run again. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { before, test } from 'node:test';
import { runBatch } from '../../batch/run.js';
import { systemClock } from '../../lib/time/clock.js';
import { configWith, type Config } from '../../lib/config/config.js';
import { openDataDir, roomOf } from '../../lib/files/data-dir.js';
import { openLogWriter } from '../../log/open-log.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { partitionDir } from '../../master-data/layout.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { verifyMaster } from '../../master-data/audit.js';
import { readCurrent } from '../../serving/current.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { setUp } from './swa-command.js';
import { recoverDataDir, type Recovery } from '../recovery.js';
import { append } from './appended-facts.js';
import { tempDir } from '../../test/temp-dir.js';

const partitions = 2;
const [stored, unstored] = [900, 300];
let model = '';

const configOf = (dataDir: string): Config =>
  configWith({ dataDir, partitions, segmentBytes: 65_536, sinkMaxRows: 100, batchThreads: 2 });

before(async () => {
  model = tempDir('recover-model');
  const config = configOf(model);
  openDataDir(config);
  for (let i = 0; i < 3; i++) {
    await append(config, (i * stored) / 3, stored / 3);
    await drainLogToMaster({ config, clock: systemClock });
  }
  for (let i = 0; i < 2; i++) await runBatch({ config, clock: systemClock, trigger: 'command' });
  await append(config, stored, unstored);
  await openJobQueue(model, 'import', systemClock).close();
});

interface DataDirCopy {
  readonly config: Config;
  readonly dataDir: string;
  /** Names and sizes of all files. */
  readonly files: () => string[];
  readonly recover: (options: { repair: boolean; acceptLoss: boolean }) => Promise<Recovery>;
}

function copyOf(): DataDirCopy {
  const dataDir = tempDir('recover');
  cpSync(model, dataDir, { recursive: true });
  const config = configOf(dataDir);
  const files = (): string[] =>
    (readdirSync(dataDir, { recursive: true }) as string[])
      .map((name) => ({ name, stat: statSync(join(dataDir, name)) }))
      .filter(({ stat, name }) => stat.isFile() && !name.endsWith('lock.mdb'))
      .map(({ name, stat }) => `${name} ${stat.size}`)
      .toSorted();
  return {
    config,
    dataDir,
    files,
    recover: (options) => recoverDataDir({ config, clock: systemClock }, options),
  };
}

/** Carries out all steps that lose no facts (or all steps), and checks that a second run has nothing left to do. */
async function repair(copy: DataDirCopy, acceptLoss = false): Promise<Recovery> {
  const shown = copy.files();
  const plan = await copy.recover({ repair: false, acceptLoss });
  assert.ok(plan.steps.length > 0, 'nothing was found');
  assert.deepEqual(copy.files(), shown, 'showing changes nothing');
  const done = await copy.recover({ repair: true, acceptLoss });
  assert.deepEqual(
    done.steps.filter((step) => !step.done),
    [],
  );
  assert.deepEqual(await copy.recover({ repair: true, acceptLoss }), { steps: [], later: [] });
  return done;
}

/** Checks that the system works: the rest of the log is stored, the audit passes, a batch run succeeds, and new facts are accepted. */
async function assertGoesOn({ config, dataDir }: DataDirCopy, facts: number): Promise<void> {
  await drainLogToMaster({ config, clock: systemClock });
  assert.equal(
    takeSnapshot(dataDir).files.reduce((sum, { rows }) => sum + rows, 0),
    facts,
  );
  await append(config, 50_000, 20);
  await drainLogToMaster({ config, clock: systemClock });
  const audit = await verifyMaster(dataDir, undefined);
  assert.deepEqual(audit.problems, []);
  assert.equal(audit.checked.rows, facts + 20);
  const view = await runBatch({ config, clock: systemClock, trigger: 'command' });
  assert.equal(view.counts.pageviews, facts + 20);
}

const all = stored + unstored;
const p0 = (copy: DataDirCopy): string => partitionDir(copy.dataDir, 'pageviews/0');
const manifestsOf = (copy: DataDirCopy): string[] => readdirSync(join(p0(copy), 'manifests')).toSorted();

test('a sound data directory needs nothing', async () => {
  const copy = copyOf();
  assert.deepEqual(await copy.recover({ repair: true, acceptLoss: true }), { steps: [], later: [] });
  await assertGoesOn(copy, all);
});

for (const [what, spoil] of [
  [
    'all manifests gone',
    (copy: DataDirCopy) => manifestsOf(copy).map((name) => rmSync(join(p0(copy), 'manifests', name))),
  ],
  [
    'the manifests’ folder gone',
    (copy: DataDirCopy) => rmSync(join(p0(copy), 'manifests'), { recursive: true }),
  ],
  [
    'the newest three manifests gone',
    (copy: DataDirCopy) =>
      manifestsOf(copy)
        .slice(-3)
        .map((name) => rmSync(join(p0(copy), 'manifests', name))),
  ],
  [
    'every manifest garbage',
    (copy: DataDirCopy) =>
      manifestsOf(copy).map((name) => writeFileSync(join(p0(copy), 'manifests', name), 'garbage')),
  ],
  [
    'the newest manifest empty',
    (copy: DataDirCopy) => writeFileSync(join(p0(copy), 'manifests', manifestsOf(copy).at(-1) ?? ''), ''),
  ],
  ['the root gone', (copy: DataDirCopy) => rmSync(join(copy.dataDir, 'master', 'root.json'))],
  [
    'the root garbage',
    (copy: DataDirCopy) => writeFileSync(join(copy.dataDir, 'master', 'root.json'), '{}\n'),
  ],
] as const) {
  test(`master dataset: ${what}`, async () => {
    const copy = copyOf();
    spoil(copy);
    const { steps } = await repair(copy);
    assert.ok(steps.every(({ loses }) => loses === null));
    await assertGoesOn(copy, all);
  });
}

test('master dataset: a damaged data file that the log still holds is stored again', async () => {
  const copy = copyOf();
  const [, file] = takeSnapshot(copy.dataDir).files;
  assert.ok(file);
  writeFileSync(file.path, 'garbage');
  await repair(copy);
  const aside = (readdirSync(join(copy.dataDir, 'damaged'), { recursive: true }) as string[]).map((name) =>
    basename(name),
  );
  assert.ok(aside.includes(basename(file.path)));
  await assertGoesOn(copy, all);
});

const logDir = (copy: DataDirCopy): string => roomOf(copy.dataDir, 'log');
const segmentsOf = (copy: DataDirCopy): string[] =>
  readdirSync(logDir(copy))
    .filter((name) => name.startsWith('segment-'))
    .toSorted();

function spoilBytes(path: string, at: number, length: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0x5a, at, at + length);
  writeFileSync(path, bytes);
}

for (const [what, spoil, mayLose] of [
  ['gone', (copy: DataDirCopy) => rmSync(logDir(copy), { recursive: true }), unstored],
  ['without format.json', (copy: DataDirCopy) => rmSync(join(logDir(copy), 'format.json')), 0],
  ['format.json garbage', (copy: DataDirCopy) => writeFileSync(join(logDir(copy), 'format.json'), 'x'), 0],
  [
    'without segments',
    (copy: DataDirCopy) => segmentsOf(copy).map((name) => rmSync(join(logDir(copy), name))),
    unstored,
  ],
  [
    'without its last segment',
    (copy: DataDirCopy) => rmSync(join(logDir(copy), segmentsOf(copy).at(-1) ?? '')),
    unstored,
  ],
  [
    'damaged in its first segment, which is stored',
    (copy: DataDirCopy) => spoilBytes(join(logDir(copy), segmentsOf(copy)[0] ?? ''), 9_000, 50),
    0,
  ],
  [
    'damaged in its last segment, which is not stored',
    (copy: DataDirCopy) => spoilBytes(join(logDir(copy), segmentsOf(copy).at(-1) ?? ''), 20_000, 50),
    30,
  ],
  [
    'a header damaged',
    (copy: DataDirCopy) => spoilBytes(join(logDir(copy), segmentsOf(copy).at(-1) ?? ''), 0, 60),
    0,
  ],
  [
    'all segments empty',
    (copy: DataDirCopy) => segmentsOf(copy).map((name) => writeFileSync(join(logDir(copy), name), '')),
    unstored,
  ],
] as const) {
  test(`log: ${what}`, async () => {
    const copy = copyOf();
    spoil(copy);
    // Sealed segments are only checked when they are read.
    if (!what.includes('first segment'))
      await assert.rejects(
        openLogWriter(copy.config, systemClock).then((log) => log.close()),
        /log/,
        'a writer is refused',
      );
    const { steps } = await repair(copy, mayLose > 0);
    await drainLogToMaster({ config: copy.config, clock: systemClock });
    const rows = takeSnapshot(copy.dataDir).files.reduce((sum, file) => sum + file.rows, 0);
    assert.ok(rows <= all && rows >= all - mayLose, `${rows} of ${all} facts`);
    const lost = steps.some(({ loses }) => loses !== null);
    if (rows < all) assert.ok(lost, 'a loss is said');
    await assertGoesOn(copy, rows);
  });
}

test('views, CURRENT, holds, job queues, format', async () => {
  const copy = copyOf();
  const current = readCurrent(copy.dataDir);
  const view = join(copy.dataDir, 'serving', 'views', current);
  spoilBytes(join(view, 'pages.dat'), 10, 4);
  writeFileSync(join(copy.dataDir, 'serving', 'CURRENT'), '');
  spoilBytes(join(copy.dataDir, 'jobs', 'import', 'data.mdb'), 0, 4_096);
  writeFileSync(join(copy.dataDir, 'format.json'), '');
  const { steps } = await repair(copy);
  assert.equal(steps.length, 4);
  assert.ok(!existsSync(view));
  assert.ok(readCurrent(copy.dataDir) < current, 'the one before serves');
  await openJobQueue(copy.dataDir, 'import', systemClock).close();
  await assertGoesOn(copy, all);
});

test('a speed worker of any partition keeps `swa recover --yes` out', async () => {
  const { swa, dir, dataDir } = setUp();
  const facts = join(dir, 'facts.ndjson');
  writeFileSync(
    facts,
    '{"type":"pageview","visitor":"user:1","url":"https://e.org/","timestamp":1767225600000}',
  );
  assert.equal((await swa(['import', facts])).code, 0);
  const lock = OwnerLock.acquire(join(dataDir, 'locks', 'speed-pageviews-3.lock'), 'speed worker 1');
  try {
    const { code, stderr } = await swa(['recover', '--yes']);
    assert.equal(code, 1);
    assert.match(stderr, /speed worker 1/);
  } finally {
    lock.release();
  }
  assert.equal((await swa(['recover', '--yes'])).code, 0);
});
