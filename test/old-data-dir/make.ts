/**
 * Makes format-5.tar.gz: a data directory as commit 99e243f leaves it, and facts.ndjson, which says what is right about it.
 *
 *     git worktree add ../swa-99e243f 99e243f && (cd ../swa-99e243f && npm ci)
 *     npm run build && node dist/test/old-data-dir/make.js ../swa-99e243f
 *
 * Only that version's command and its HTTP endpoint are used. Its system runs once: facts, a batch run, more facts and an
 * import, a second batch run, and facts after that, which are in its realtime view when it is stopped.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { projectRoot } from '../../lib/files/assets.js';
import { freePort } from '../loopback.js';
import { eventually } from '../eventually.js';
import { makeFacts, type Phase, type Stated } from './facts.js';
import { tempDir } from '../temp-dir.js';

const checkout = process.argv[2];
assert.ok(checkout !== undefined, 'which built checkout of 99e243f?');
const program = resolve(checkout, 'bin/swa');
const dir = tempDir('old');
const port = await freePort();
const origin = `http://127.0.0.1:${port}`;
const env = {
  PATH: process.env['PATH'],
  SWA_DATA_DIR: 'data',
  SWA_HTTP_PORT: String(port),
  SWA_BATCH_SCHEDULE: 'off',
  SWA_SEGMENT_BYTES: '65536',
  SWA_SINK_INTERVAL_MS: '200',
  SWA_LOG_LEVEL: 'warn',
};
const swa = (...args: string[]): string =>
  execFileSync(process.execPath, [program, ...args], { cwd: dir, env, encoding: 'utf8' });

const facts = makeFacts();
const system = spawn(process.execPath, [program, 'start'], {
  cwd: dir,
  env,
  stdio: ['ignore', 'ignore', 'inherit'],
});
const ended = once(system, 'exit');
try {
  await eventually('the old system is ready', async () => (await isUp()) || undefined);
  for (const phase of [1, 2, 3] as const) {
    await send(
      facts.filter((one) => one.phase === phase),
      phase,
    );
    if (phase < 3) process.stderr.write(swa('batch', 'run'));
  }
  await eventually('the realtime view has all facts', async () => (await hasAll()) || undefined);
} finally {
  system.kill('SIGTERM');
  await ended;
}
assert.equal(system.exitCode, 0);
rmSync(join(dir, 'data/status'), { recursive: true }); // names the machine
writeFileSync(join(dir, 'facts.ndjson'), facts.map((one) => `${JSON.stringify(one)}\n`).join(''));
const fixture = join(projectRoot, 'test/old-data-dir/format-5.tar.gz');
execFileSync('tar', [
  '--sort=name',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '-czf',
  fixture,
  '-C',
  dir,
  'data',
  'facts.ndjson',
]);
rmSync(dir, { recursive: true });

async function isUp(): Promise<boolean> {
  return fetch(`${origin}/readyz`).then(
    (response) => response.ok,
    () => false,
  );
}

async function send(some: readonly Stated[], phase: Phase): Promise<void> {
  const posted = some.map(({ sent }) => sent).filter((sent) => typeof sent !== 'string');
  const response = await fetch(`${origin}/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(posted),
  });
  assert.deepEqual(await response.json(), { accepted: posted.length, rejected: [] });
  const lines = some.map(({ sent }) => sent).filter((sent) => typeof sent === 'string');
  if (lines.length === 0) return;
  writeFileSync(join(dir, `access-${phase}.log`), lines.map((line) => `${line}\n`).join(''));
  process.stderr.write(
    swa('import', '--format', 'combined', '--host', 'www.example.net', `access-${phase}.log`),
  );
}

async function hasAll(): Promise<boolean> {
  const schema = z.object({
    freshness: z.object({ realtime: z.object({ lagRecords: z.number().nullable() }) }),
  });
  const { freshness } = schema.parse(await (await fetch(`${origin}/v1/status`)).json());
  return freshness.realtime.lagRecords === 0;
}
