/** Trouble of one role in `swa start`: the others go on, answers and the door too, it is seen, and it ends when its cause does. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { manifestsDir } from '../master-data/layout.js';
import { assetPath } from '../lib/files/assets.js';
import { systemClock } from '../lib/time/clock.js';
import { partitionName } from '../log/log.js';
import { readStatus, type Role, type StatusEntry } from '../lib/process/status.js';
import { Shim, shimSkip, type Op } from './faults/shim.js';
import { eventually } from './eventually.js';
import {
  answerSchema,
  runBatch,
  startTestSystem,
  untilAllCounted,
  type TestSystem,
} from './running-system.js';
import { tempDir } from './temp-dir.js';

/** All that a disk may refuse. */
const writing: readonly Op[] = ['write', 'sync', 'rename', 'link', 'truncate', 'create'];

const question = '/v1/uniques?domain=example.org&from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z';

const layersSchema = z.object({
  layers: z.array(
    z.object({
      role: z.string(),
      state: z.string(),
      restarts: z.number(),
      lastError: z.object({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});

async function layerOf(swa: TestSystem, role: string) {
  const { layers } = layersSchema.parse(await (await swa.get('/v1/status')).json());
  return layers.find((layer) => layer.role === role);
}

function view(visitor: string): object {
  return { type: 'pageview', visitor, url: 'https://example.org/a', timestamp: '2024-01-01T10:00:00Z' };
}

async function visitors(swa: TestSystem): Promise<number | undefined> {
  return (await swa.ask(question)).data.visitors;
}

/** A system whose first run is through, with one visitor. */
async function startWithHistory(t: TestContext): Promise<TestSystem> {
  const swa = await startTestSystem(t, { partitions: 1 });
  await swa.send([view('cookie:a')]);
  await runBatch(swa);
  return swa;
}

test('a damaged manifest stops the sink alone, and it goes on when the manifest is whole again', async (t) => {
  const before = await startWithHistory(t);
  await before.system.stop();
  const { dataDir } = before.config;
  const dir = manifestsDir(dataDir, partitionName('pageviews', 0));
  const manifest = join(dir, readdirSync(dir).toSorted().at(-1) ?? '');
  const whole = readFileSync(manifest);
  writeFileSync(manifest, whole.subarray(0, whole.length / 2));

  const swa = await startTestSystem(t, { partitions: 1, dataDir });
  const sink = await eventually('the sink has failed', async () => {
    const layer = await layerOf(swa, 'sink');
    return layer?.state === 'failed' ? layer : undefined;
  });
  assert.equal(sink.lastError?.code, 'master.corrupt');
  await eventually('its stores are open', async () => (await swa.get('/readyz')).ok || undefined);
  assert.ok(sink.lastError.message.includes(manifest), sink.lastError.message);
  await swa.send([view('cookie:b')]);
  await untilAllCounted(swa);
  assert.equal(await visitors(swa), 2);
  assert.match(await (await swa.get('/metrics')).text(), /swa_role_restarts\{role="sink",worker="0"\} [1-9]/);

  writeFileSync(manifest, whole);
  await eventually(
    'the sink is at work again',
    async () => (await layerOf(swa, 'sink'))?.state === 'running' || undefined,
  );
  await runBatch(swa);
  assert.equal(await visitors(swa), 2);
  await swa.system.stop(); // before its data directory goes, with the first one's
});

test('a status board that cannot be written stops nobody', async (t) => {
  const swa = await startWithHistory(t);
  const board = join(swa.config.dataDir, 'status');
  rmSync(board, { recursive: true });
  writeFileSync(board, 'not a directory');
  await swa.send([view('cookie:b')]);
  await untilAllCounted(swa);
  assert.equal(await visitors(swa), 2);
  await runBatch(swa);
  assert.equal((await swa.get('/v1/status')).status, 200);
});

/** `swa start` as a process of its own. */
class Started {
  readonly dataDir: string;
  readonly child: ChildProcess;
  url = '';
  stderr = '';

  constructor(t: TestContext, env: Readonly<Record<string, string>> = {}, dir = tempDir('roles')) {
    this.dataDir = join(dir, 'data');
    this.child = spawn(process.execPath, [assetPath('bin/swa'), 'start'], {
      env: {
        PATH: process.env['PATH'],
        SWA_DATA_DIR: this.dataDir,
        SWA_HTTP_PORT: '0',
        SWA_BATCH_SCHEDULE: 'off',
        SWA_LOG_LEVEL: 'fatal',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stderr?.on('data', (piece: Buffer) => (this.stderr += piece.toString()));
  }

  async serves(): Promise<this> {
    this.url = await eventually('it serves', () => {
      assert.equal(this.child.exitCode, null, this.stderr);
      return /http:\/\/127\.0\.0\.1:\d+/.exec(this.stderr)?.[0];
    });
    return this;
  }

  async ready(): Promise<this> {
    await this.serves();
    await eventually('it is ready', async () => (await fetch(`${this.url}/readyz`)).ok || undefined);
    return this;
  }

  /** Asks for a run until one can be asked for, and waits for its view. */
  async runBatch(): Promise<void> {
    const views = (): number => readdirSync(join(this.dataDir, 'serving', 'views')).length;
    const before = views();
    await eventually(
      'a run is asked for',
      async () => (await this.post('/v1/batches', '')) === 202 || undefined,
    );
    await eventually('its view is there', () => views() > before || undefined);
  }

  /** The answer's status; undefined where no answer comes. */
  async post(path: string, body: string): Promise<number | undefined> {
    const headers = { 'Content-Type': 'application/json' };
    try {
      const response = await fetch(`${this.url}${path}`, { method: 'POST', headers, body });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return undefined;
    }
  }

  async visitors(): Promise<number | undefined> {
    const response = await fetch(`${this.url}${question}`);
    const body = await response.text();
    return response.ok ? answerSchema.parse(JSON.parse(body)).data.visitors : undefined;
  }

  layer(role: Role): StatusEntry | undefined {
    return readStatus(this.dataDir).find((entry) => entry.role === role);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await eventually('it ends in order', () => this.child.exitCode === 0 || undefined);
  }
}

test('when no more files may be open nothing ends, and all goes on when they may', async (t) => {
  if (spawnSync('prlimit', ['--version']).status !== 0) {
    t.skip('needs prlimit(1)');
    return;
  }
  const swa = await new Started(t).ready();
  const { child } = swa;
  const limit = (files: number): void => {
    assert.equal(spawnSync('prlimit', [`--pid=${child.pid}`, `--nofile=${files}:`]).status, 0);
  };
  await eventually('the speed layer is at work', () => swa.layer('speed')?.state === 'running' || undefined);

  limit(readdirSync(`/proc/${child.pid}/fd`).length);
  await swa.post('/v1/batches', ''); // takes what there is, or is refused
  // The board can be written no more either: its entry grows old, while the process lives.
  const since = systemClock();
  await eventually('it has been so for a while', () => systemClock() - since > 5_000 || undefined);
  assert.equal(child.exitCode, null, swa.stderr);

  limit(4_096);
  const body = JSON.stringify(view('cookie:a'));
  await eventually('facts are taken', async () => (await swa.post('/v1/events', body)) === 202 || undefined);
  await eventually('they are counted', async () => (await swa.visitors()) === 1 || undefined);
  await swa.stop();
});

/** A role, the files it writes, and whether facts are taken and counted while it cannot. */
const disks: readonly {
  readonly role: Role;
  readonly files: string;
  readonly takes: boolean;
  readonly counts: boolean;
}[] = [
  { role: 'collector', files: '*/data/log/*', takes: false, counts: false },
  { role: 'sink', files: '*/data/master/*', takes: true, counts: true },
  { role: 'speed', files: '*/data/speed/*', takes: true, counts: false },
  { role: 'batch', files: '*/data/serving/*', takes: true, counts: true },
];

for (const { role, files, takes, counts } of disks) {
  test(
    `a disk that fails the ${role} ends nothing else, is seen, and loses nothing`,
    { skip: shimSkip },
    async (t) => {
      const dir = tempDir('roles');
      const shim = new Shim(t, dir);
      const env = { ...shim.env({ log: false }), SWA_SINK_INTERVAL_MS: '500' };
      const swa = await new Started(t, env, dir).ready();
      const send = (visitor: string) => swa.post('/v1/events', JSON.stringify(view(visitor)));
      assert.equal(await send('cookie:a'), 202);
      await eventually('it is counted', async () => (await swa.visitors()) === 1 || undefined);

      shim.arm({ ops: writing, path: files, action: 'fail', error: 'EIO', sticky: true });
      assert.equal(await send('cookie:b'), takes ? 202 : 503);
      await swa.post('/v1/batches', '');
      const lastError = await eventually('it is on the board', () => swa.layer(role)?.lastError ?? undefined);
      t.diagnostic(`${lastError.code}: ${lastError.message}`);
      assert.ok(shim.fired > 0);
      if (counts)
        await eventually('what was taken is counted', async () => (await swa.visitors()) === 2 || undefined);
      else assert.equal(await swa.visitors(), 1);
      assert.equal(swa.child.exitCode, null, swa.stderr);

      shim.disarm();
      await eventually('facts are taken', async () => (await send('cookie:c')) === 202 || undefined);
      const acknowledged = takes ? 3 : 2;
      await eventually(
        'all of them are counted',
        async () => (await swa.visitors()) === acknowledged || undefined,
      );
      await eventually('the role is at work', () => swa.layer(role)?.state === 'running' || undefined);
      await swa.stop();
      const verified = spawnSync(process.execPath, [assetPath('bin/swa'), 'verify'], {
        env: { PATH: process.env['PATH'], SWA_DATA_DIR: swa.dataDir },
        encoding: 'utf8',
      });
      assert.equal(verified.status, 0, verified.stdout + verified.stderr);
    },
  );
}

test(
  'a disk that fails the query layer as it reads views ends nothing, is seen, and questions are answered when it reads again',
  { skip: shimSkip },
  async (t) => {
    const dir = tempDir('roles');
    const shim = new Shim(t, dir);
    const swa = await new Started(t, shim.env({ log: false }), dir).ready();
    const send = (visitor: string) => swa.post('/v1/events', JSON.stringify(view(visitor)));
    assert.equal(await send('cookie:a'), 202);
    await swa.runBatch();

    shim.arm({ ops: ['open', 'read'], path: '*/data/serving/*', action: 'fail', error: 'EIO', sticky: true });
    const refused = await eventually('a question meets the disk', async () => {
      const response = await fetch(`${swa.url}${question}`);
      const body = await response.text();
      return response.status === 200 ? undefined : { status: response.status, body };
    });
    assert.equal(refused.status, 503, refused.body);
    const { lastError } = await eventually('it is on the board', () => {
      const layer = swa.layer('query');
      return layer?.lastError?.message.includes('EIO') === true ? layer : undefined;
    });
    t.diagnostic(`${lastError?.code}: ${lastError?.message}`);
    assert.match(lastError?.message ?? '', /^questions fail: /);
    assert.equal(await send('cookie:b'), 202);
    assert.equal((await fetch(`${swa.url}/v1/status`)).status, 200);
    assert.equal(swa.child.exitCode, null, swa.stderr);

    shim.disarm();
    await eventually('all is counted', async () => (await swa.visitors()) === 2 || undefined);
    await swa.stop();
  },
);

/** What cannot be opened at a start, and what is answered all the same. */
const closed: readonly {
  readonly what: string;
  readonly files: string;
  readonly error: 'EACCES' | 'EIO';
  readonly takes: boolean;
  readonly role: Role;
  readonly says: RegExp;
}[] = [
  {
    what: 'the log',
    files: '*/data/log/*',
    error: 'EACCES',
    takes: false,
    role: 'collector',
    says: /EACCES/,
  },
  { what: 'the log', files: '*/data/log/*', error: 'EIO', takes: false, role: 'collector', says: /EIO/ },
  {
    what: 'the log',
    files: '*/data/log/*',
    error: 'EACCES',
    takes: false,
    role: 'query',
    says: /^answers are not complete: .*EACCES/,
  },
  {
    what: 'the job queues',
    files: '*/data/jobs/*',
    error: 'EACCES',
    takes: true,
    role: 'collector',
    says: /^background imports are waiting: /,
  },
  {
    what: 'CURRENT',
    files: '*/data/serving/CURRENT',
    error: 'EIO',
    takes: true,
    role: 'query',
    says: /^questions fail: .*EIO/,
  },
];

for (const { what, files, error, takes, role, says } of closed) {
  test(
    `${what} that cannot be opened at a start (${error}) is said by the ${role}, and all else is up`,
    { skip: shimSkip },
    async (t) => {
      const dir = tempDir('roles');
      const before = await new Started(t, {}, dir).ready();
      const send = (to: Started, visitor: string) => to.post('/v1/events', JSON.stringify(view(visitor)));
      assert.equal(await send(before, 'cookie:a'), 202);
      await before.runBatch();
      await before.stop();

      const shim = new Shim(t, dir);
      shim.arm({ ops: ['open', 'read'], path: files, action: 'fail', error, sticky: true });
      const swa = await new Started(t, shim.env({ log: false }), dir).serves();
      assert.equal(await send(swa, 'cookie:b'), takes ? 202 : 503);
      if (what === 'CURRENT') assert.equal((await fetch(`${swa.url}${question}`)).status, 503);
      else await eventually('answers are there', async () => ((await swa.visitors()) ?? 0) > 0 || undefined);
      const lastError = await eventually('it is on the board', () => {
        const found = swa.layer(role)?.lastError;
        return found !== undefined && found !== null && says.test(found.message) ? found : undefined;
      });
      t.diagnostic(`${lastError.code}: ${lastError.message}`);

      shim.disarm();
      await eventually('facts are taken', async () => (await send(swa, 'cookie:c')) === 202 || undefined);
      await eventually(
        'all are counted',
        async () => (await swa.visitors()) === (takes ? 3 : 2) || undefined,
      );
      await swa.runBatch();
      await eventually('the role is at work', () => swa.layer(role)?.state === 'running' || undefined);
      await swa.stop();
    },
  );
}

test(
  'on a disk that does not respond a stop ends by a kill of its own process, and what was acknowledged is there at the next start',
  { skip: shimSkip },
  async (t) => {
    const dir = tempDir('roles');
    const shim = new Shim(t, dir);
    const swa = await new Started(t, shim.env({ log: false }), dir).ready();
    shim.arm({ ops: ['sync'], path: '*/data/master/*', action: 'hang' });
    assert.equal(await swa.post('/v1/events', JSON.stringify(view('cookie:a'))), 202);
    await eventually('the sink hangs', () => shim.fired > 0);
    swa.child.kill('SIGTERM');
    const { child } = swa;
    await eventually('it ends', () => child.exitCode !== null || child.signalCode !== null);
    assert.equal(child.signalCode, 'SIGKILL', swa.stderr);
    assert.match(swa.stderr, /stopped while a role was still working/);

    shim.disarm();
    const next = await new Started(t, {}, dir).ready();
    await eventually('the fact is counted', async () => (await next.visitors()) === 1);
    await next.runBatch();
    await next.stop();
  },
);

test('a start on a log with a damaged end answers, takes no facts, and says what to do', async (t) => {
  const dir = tempDir('roles');
  const before = await new Started(t, {}, dir).ready();
  assert.equal(await before.post('/v1/events', JSON.stringify(view('cookie:a'))), 202);
  await before.runBatch();
  await before.stop();
  const log = join(before.dataDir, 'log');
  const segment = join(log, readdirSync(log).findLast((name) => name.startsWith('segment-')) ?? '');
  const whole = readFileSync(segment);
  writeFileSync(
    segment,
    whole.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
  );

  const swa = await new Started(t, {}, dir).serves();
  assert.equal(await swa.post('/v1/events', JSON.stringify(view('cookie:b'))), 503);
  await eventually('answers are there', async () => (await swa.visitors()) === 1 || undefined);
  const failed = await eventually('it is on the board', () => swa.layer('collector')?.lastError ?? undefined);
  assert.equal(failed.code, 'log.corrupt');
  assert.match(failed.message, new RegExp(segment));
  assert.match(failed.hint ?? '', /swa recover/);
  writeFileSync(segment, whole);
  await eventually(
    'facts are taken',
    async () => (await swa.post('/v1/events', JSON.stringify(view('cookie:b')))) === 202 || undefined,
  );
  await eventually('all are counted', async () => (await swa.visitors()) === 2 || undefined);
  await swa.stop();
});

test('a start without the log there was answers, acknowledges nothing and makes no second log', async (t) => {
  const dir = tempDir('roles');
  const before = await new Started(t, { SWA_SINK_INTERVAL_MS: '500' }, dir).ready();
  const body = JSON.stringify(view('cookie:a'));
  assert.equal(await before.post('/v1/events', body), 202);
  await before.runBatch();
  await before.stop();
  const log = join(before.dataDir, 'log');
  renameSync(log, join(dir, 'log'));

  const swa = await new Started(t, {}, dir).serves();
  assert.equal(await swa.post('/v1/events', body), 503);
  await eventually('answers are there', async () => (await swa.visitors()) === 1 || undefined);
  const failed = await eventually('it is on the board', () => swa.layer('collector')?.lastError ?? undefined);
  assert.deepEqual([failed.code, existsSync(join(log, 'format.json'))], ['log.missing', false]);
  rmSync(log, { recursive: true });
  renameSync(join(dir, 'log'), log);
  await eventually('facts are taken', async () => (await swa.post('/v1/events', body)) === 202 || undefined);
  await swa.stop();
});
