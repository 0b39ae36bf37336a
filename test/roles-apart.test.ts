/** Trouble of one role in `swa start`: the others go on, answers and the door too, it is seen, and it ends when its cause does. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { manifestsDir } from '../master-data/layout.js';
import { assetPath } from '../lib/files/assets.js';
import { systemClock } from '../lib/time/clock.js';
import { partitionName } from '../log/log.js';
import { readStatus } from '../lib/process/status.js';
import { eventually, runBatch, startTestSystem, untilAllCounted, type TestSystem } from './running-system.js';

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

test('when no more files may be open nothing ends, and all goes on when they may', async (t) => {
  if (spawnSync('prlimit', ['--version']).status !== 0) {
    t.skip('needs prlimit(1)');
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'swa-files-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const env = {
    PATH: process.env['PATH'],
    SWA_DATA_DIR: join(dir, 'data'),
    SWA_HTTP_PORT: '0',
    SWA_BATCH_SCHEDULE: 'off',
    SWA_LOG_LEVEL: 'fatal',
  };
  const child = spawn(process.execPath, [assetPath('bin/swa'), 'start'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
  const url = await eventually('it serves', () => /http:\/\/127\.0\.0\.1:\d+/.exec(stderr)?.[0]);
  const limit = (files: number): void => {
    assert.equal(spawnSync('prlimit', [`--pid=${child.pid}`, `--nofile=${files}:`]).status, 0);
  };
  const speedIs = (state: string) => (): true | undefined =>
    readStatus(env.SWA_DATA_DIR).some((entry) => entry.role === 'speed' && entry.state === state) ||
    undefined;
  await eventually('the speed layer is at work', speedIs('running'));

  limit(readdirSync(`/proc/${child.pid}/fd`).length);
  await fetch(`${url}/v1/batches`, { method: 'POST' }).catch(() => undefined); // takes what there is, or is refused
  // The board can be written no more either: its entry grows old, while the process lives.
  const since = systemClock();
  await eventually('it has been so for a while', () => systemClock() - since > 5_000 || undefined);
  assert.equal(child.exitCode, null, stderr);

  limit(4_096);
  const body = JSON.stringify(view('cookie:a'));
  const headers = { 'Content-Type': 'application/json' };
  await eventually('facts are taken', async () =>
    fetch(`${url}/v1/events`, { method: 'POST', headers, body }).then(
      ({ status }) => status === 202 || undefined,
      () => undefined,
    ),
  );
  await eventually('they are counted', async () => {
    const { data } = (await (await fetch(`${url}${question}`)).json()) as { data?: { visitors?: number } };
    return data?.visitors === 1 || undefined;
  });
  child.kill('SIGTERM');
  await eventually('it ends in order', () => child.exitCode === 0 || undefined);
});
