/**
 * Backup and restore of a system under load and of a stopped one, interrupted at every file and by kill -9. The restored
 * system answers like the original at the backup's cut, accepts facts, and passes the audit.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { assetPath } from '../../lib/files/assets.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { configWith } from '../../lib/config/config.js';
import { systemClock } from '../../lib/time/clock.js';
import { verifyMaster } from '../../master-data/audit.js';
import { openExistingLog } from '../../log/open-log.js';
import { eventually } from '../../test/eventually.js';
import {
  runBatch,
  startTestSystem,
  untilAllCounted,
  untilHandedOver,
  type TestSystem,
} from '../../test/running-system.js';
import { backUp, restore, type Inventory } from '../backup.js';
import { tempDir } from '../../test/temp-dir.js';

const partitions = 2;
const change = { partitions, segmentBytes: 65_536, sinkIntervalMs: 100 };
const hour = Date.UTC(2024, 4, 1);

/** Pageviews of one hour: `count` views by 50 visitors on 7 pages. In the hours before the batch run an edge says that two of them are one person. */
function factsOf(hourNumber: number, count: number): object[] {
  const views = Array.from({ length: count }, (_, i) => ({
    type: 'pageview',
    visitor: `cookie:${hourNumber}-${i % 50}`,
    url: `https://www.example.org/${i % 7}`,
    timestamp: hour + hourNumber * 3_600_000 + i,
  }));
  const edge = { type: 'equiv', a: `cookie:${hourNumber}-0`, b: `cookie:${hourNumber}-1` };
  return hourNumber < 2 ? [...views, edge] : views;
}

const at = (hourNumber: number): string => new Date(hour + hourNumber * 3_600_000).toISOString();
/** Two hours that are in the batch view, and one that is only in the log. */
const stored = { from: 0, views: 900, pastBatch: 300 };
const loadHour = 3;
const range = `from=${at(0)}&to=${at(loadHour)}`;
const questions = [
  `/v1/uniques?domain=example.org&${range}`,
  `/v1/uniques?domain=example.org&${range}&interval=hour`,
  `/v1/uniques?url=https://www.example.org/3&${range}`,
  `/v1/pageviews?url=https://www.example.org/3&${range}&interval=hour`,
  `/v1/pages?domain=example.org&${range}`,
  `/v1/persons/cookie:0-1`,
];

async function answersOf(swa: TestSystem): Promise<unknown[]> {
  return Promise.all(
    questions.map(async (question) => {
      const response = await swa.get(question);
      const body = (await response.json()) as { data: unknown };
      assert.equal(response.status, 200, `${question}: ${JSON.stringify(body)}`);
      return body.data;
    }),
  );
}

async function fill(swa: TestSystem): Promise<void> {
  for (const hourNumber of [0, 1]) await swa.send(factsOf(hourNumber, stored.views / 2));
  const generation = await runBatch(swa);
  await swa.send(factsOf(2, stored.pastBatch));
  await untilHandedOver(swa, generation);
  await untilAllCounted(swa);
}

async function pageviewsOf(swa: TestSystem, from: number, to: number): Promise<number | undefined> {
  const { data } = await swa.ask(`/v1/pageviews?domain=example.org&from=${at(from)}&to=${at(to)}`);
  return data.pageviews;
}

function runSwa(args: readonly string[], dataDir: string) {
  const env = { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir, SWA_PARTITIONS: String(partitions) };
  const child = spawn(process.execPath, [assetPath('bin/swa'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }));
  return { child, ended };
}

/** Checks that the system answers as expected, accepts further facts, makes a view of all of them, and passes the audit. */
async function assertGoesOn(
  t: TestContext,
  dataDir: string,
  answers: unknown[],
  views: number,
): Promise<void> {
  const system = await startTestSystem(t, { ...change, dataDir });
  await eventually('it is ready', async () => (await system.get('/readyz')).ok || undefined);
  await untilAllCounted(system);
  assert.deepEqual(await answersOf(system), answers);
  assert.equal(await pageviewsOf(system, 0, loadHour + 1), views);
  await system.send(factsOf(loadHour, 20));
  await untilAllCounted(system);
  assert.equal(await pageviewsOf(system, 0, loadHour + 1), views + 20);
  await runBatch(system);
  assert.equal(await pageviewsOf(system, 0, loadHour + 1), views + 20);
  await system.system.stop();
  const log = await openExistingLog(system.config);
  const audit = await verifyMaster(dataDir, log);
  await log.close();
  assert.deepEqual(audit.problems, []);
}

function viewsBefore({ cut }: Inventory): number {
  return Object.entries(cut?.next ?? {}).reduce(
    (sum, [name, next]) => sum + (name.startsWith('pageviews/') ? next : 0),
    0,
  );
}

/** Sends pageviews until it is stopped; counts the acknowledged ones. */
function load(to: TestSystem) {
  let acknowledged = 0;
  const ending = new AbortController();
  const done = (async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await to.send(factsOf(loadHour, 50));
      acknowledged += 50;
    }
  })();
  return {
    acknowledged: () => acknowledged,
    end: async () => {
      ending.abort();
      await done;
    },
  };
}

test('a backup of a system under load, during a batch run, is one cut that holds all acknowledged before', async (t) => {
  const original = await startTestSystem(t, change);
  await fill(original);
  const answers = await answersOf(original);
  const traffic = load(original);
  const dir = tempDir('backup');
  await eventually('some load', () => traffic.acknowledged() > 500 || undefined);
  const name = 'backup';
  await fetch(`${original.system.origin}/v1/batches`, { method: 'POST' });
  const acknowledged = traffic.acknowledged();
  const { code, stdout, stderr } = await runSwa(
    ['backup', join(dir, name), '--json'],
    original.config.dataDir,
  ).ended;
  assert.equal(code, 0, stderr);
  const inventory = JSON.parse(stdout) as Inventory;
  const views = viewsBefore(inventory);
  const earlier = stored.views + stored.pastBatch;
  assert.ok(
    views >= earlier + acknowledged,
    `${views} views, ${earlier + acknowledged} were acknowledged before`,
  );
  assert.ok(views <= earlier + traffic.acknowledged() + 50);
  for (const room of ['locks', 'status', 'speed', 'star', 'jobs'])
    assert.deepEqual(filesIn(join(dir, name, room)), room === 'locks' ? ['copy.lock'] : []);
  const restored = join(dir, 'restored');
  const again = await runSwa(['restore', join(dir, name)], restored).ended;
  assert.equal(again.code, 0, again.stderr);
  await assertGoesOn(t, restored, answers, views);
  await traffic.end();
});

const filesIn = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []);

/** A stopped system, created once. */
let model = '';
before(async () => {
  model = tempDir('backup-model');
});

test('a stopped system: its backup and a plain copy of its directory both go on elsewhere', async (t) => {
  const original = await startTestSystem(t, { ...change, dataDir: model });
  await fill(original);
  const answers = await answersOf(original);
  await original.system.stop();
  const dir = tempDir('backup');
  await backUp({ config: original.config, clock: systemClock }, join(dir, 'backup'));
  await restore(join(dir, 'backup'), join(dir, 'restored'));
  await assertGoesOn(t, join(dir, 'restored'), answers, stored.views + stored.pastBatch);
  cpSync(model, join(dir, 'copy'), { recursive: true });
  await assertGoesOn(t, join(dir, 'copy'), answers, stored.views + stored.pastBatch);
});

class Ended extends Error {}
const endAfter =
  (files: number) =>
  (_file: unknown, done: number): void => {
    if (done === files) throw new Ended();
  };

test('ended after any of its files, a backup or a restore never looks whole, and the next one goes on', async () => {
  const dir = tempDir('backup');
  const config = configWith({ ...change, dataDir: model });
  const context = { config, clock: systemClock };
  const [backup, restored] = [join(dir, 'backup'), join(dir, 'restored')];
  const whole = await backUp(context, join(dir, 'whole'));
  assert.ok(whole.files.length > 10);
  for (let files = 1; files <= whole.files.length; files++) {
    await assert.rejects(backUp(context, backup, endAfter(files)), Ended);
    await assert.rejects(restore(backup, restored), { code: 'backup.corrupt', message: /unfinished/ });
    assert.throws(() => openDataDir({ ...config, dataDir: backup }), /unfinished/);
  }
  // Files that an earlier attempt left of another cut must not remain.
  writeFileSync(join(backup, 'log', 'segment-0000099999.log'), 'of another cut');
  const { files } = await backUp(context, backup);
  assert.deepEqual(files, whole.files);
  assert.deepEqual(tree(backup), tree(join(dir, 'whole')));
  for (let count = 1; count <= files.length; count++) {
    await assert.rejects(restore(backup, restored, endAfter(count)), Ended);
    assert.throws(() => openDataDir({ ...config, dataDir: restored }), /unfinished/);
  }
  await restore(backup, restored);
  assert.deepEqual(tree(restored), tree(backup));
});

test('kill -9 of `swa backup` and `swa restore`, and again', async () => {
  const dir = tempDir('backup');
  const [backup, restored] = [join(dir, 'backup'), join(dir, 'restored')];
  for (const [args, dataDir, target] of [
    [['backup', backup], model, backup],
    [['restore', backup], restored, restored],
  ] as const) {
    for (let round = 0; round < 3 && !isWhole(target); round++) {
      const { child, ended } = runSwa(args, dataDir);
      await eventually(
        'it copies',
        () => existsSync(join(target, 'unfinished.json')) || child.exitCode !== null || undefined,
      );
      await delay(round * 20);
      child.kill('SIGKILL');
      await ended;
    }
    const { code, stderr } = isWhole(target) ? { code: 0, stderr: '' } : await runSwa(args, dataDir).ended;
    assert.equal(code, 0, stderr);
  }
  assert.deepEqual(tree(restored), tree(backup));
});

const isWhole = (dir: string): boolean =>
  existsSync(join(dir, 'format.json')) && !existsSync(join(dir, 'unfinished.json'));

test('nothing is written over, and no damaged byte is restored', async () => {
  const dir = tempDir('backup');
  const config = configWith({ ...change, dataDir: model });
  const context = { config, clock: systemClock };
  const backup = join(dir, 'backup');
  await assert.rejects(backUp(context, join(model, 'inside')), /inside the data directory/);
  const { files } = await backUp(context, backup);
  const untouched = tree(backup);
  await assert.rejects(backUp(context, backup), /is not empty/);
  await assert.rejects(restore(backup, model), /is not empty/);
  await assert.rejects(restore(model, join(dir, 'x')), {
    code: 'backup.corrupt',
    message: /is not a backup/,
  });
  assert.deepEqual(tree(backup), untouched);
  for (const name of [...files.map((file) => file.name), 'backup.json']) {
    const path = join(backup, name);
    const bytes = readFileSync(path);
    const flipped = bytes.length === 0 ? Buffer.of(4) : Buffer.from(bytes); // a dimension without values has an empty file
    if (bytes.length > 0) flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 4, flipped.length >> 1);
    writeFileSync(path, flipped);
    const target = join(dir, 'target');
    await assert.rejects(restore(backup, target), { code: 'backup.corrupt', message: new RegExp(name) });
    if (name === 'backup.json') assert.ok(!existsSync(target));
    else assert.throws(() => openDataDir({ ...config, dataDir: target }), /unfinished/);
    rmSync(target, { recursive: true, force: true });
    writeFileSync(path, bytes);
  }
  await restore(backup, join(dir, 'target'));
});

/** Names and sizes of all files but locks. */
function tree(dir: string): string[] {
  return (readdirSync(dir, { recursive: true }) as string[])
    .filter(
      (name) => statSync(join(dir, name)).isFile() && !name.startsWith('locks') && name !== 'backup.json',
    )
    .map((name) => `${name} ${statSync(join(dir, name)).size}`)
    .toSorted();
}
