/** A role that fails inside `swa start` is restarted after growing pauses, is shown on the status board, and ends the system only with a fatal error. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { pino } from 'pino';
import { assetPath } from '../../lib/files/assets.js';
import { systemClock } from '../../lib/time/clock.js';
import { configWith } from '../../lib/config/config.js';
import { SwaError, type ErrorCode } from '../../lib/errors/errors.js';
import type { RoleContext, RunningRole } from '../../lib/process/role.js';
import { StatusReporter, readStatus } from '../../lib/process/status.js';
import { eventually } from '../../test/eventually.js';
import { supervise } from '../supervise.js';
import { tempDir } from '../../test/temp-dir.js';

const backoff = { firstMs: 10, maxMs: 40, resetMs: 60_000 };

function setUp(): RoleContext & { readonly pauses: number[] } {
  const dataDir = tempDir('supervise');
  const pauses: number[] = [];
  const logger = pino(
    {},
    { write: (line) => void pauses.push((JSON.parse(line) as { pauseMs: number }).pauseMs) },
  );
  return { config: configWith({ dataDir }), clock: systemClock, logger, pauses };
}

/** A role that runs until `fail` is called. */
class FakeRole implements RunningRole {
  readonly done: Promise<never>;
  fail: (error: unknown) => void = () => undefined;
  stopped = false;

  constructor() {
    this.done = new Promise((_resolve, reject) => (this.fail = reject));
    this.done.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }
}

test('a role that fails at its start and later is started again, after pauses that double up to a limit', async (t) => {
  const context = setUp();
  const { dataDir } = context.config;
  const roles: FakeRole[] = [];
  let failures = 4;
  const start = async (): Promise<RunningRole> => {
    if (failures-- > 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const status = new StatusReporter({ dataDir, role: 'sink', clock: systemClock });
    status.report({ state: 'running' });
    t.after(() => status.withdraw());
    roles.push(new FakeRole());
    return roles.at(-1) ?? assert.fail();
  };
  const role = await supervise('sink', start, context, backoff);
  t.after(() => role.stop());
  const first = await eventually('it runs', () => roles[0]);
  assert.deepEqual(context.pauses, [10, 20, 40, 40]);
  const [entry] = readStatus(dataDir);
  assert.deepEqual([entry?.state, entry?.restarts, entry?.lastError?.code], ['running', 4, 'ENOSPC']);
  first.fail(new SwaError('data-dir.in-use', 'somebody was faster')); // fatal only at the system's start
  await eventually('it runs again', () => roles[1]);
  assert.ok(first.stopped, 'what it can give back it gives back');
  assert.equal(readStatus(dataDir)[0]?.restarts, 5);
});

test('a role that has run for a while begins with a short pause again', async (t) => {
  const context = setUp();
  const roles: FakeRole[] = [];
  const start = async (): Promise<RunningRole> => {
    roles.push(new FakeRole());
    return roles.at(-1) ?? assert.fail();
  };
  const role = await supervise('speed', start, context, { ...backoff, resetMs: 0 });
  t.after(() => role.stop());
  for (let i = 0; i < 4; i++) {
    (await eventually('it runs', () => roles[i])).fail(new Error('trouble'));
    await eventually('its failure is seen', () => (context.pauses.length > i ? true : undefined));
    const [entry] = readStatus(context.config.dataDir);
    assert.deepEqual([entry?.state, entry?.lastError?.message], ['failed', 'trouble']);
  }
  assert.deepEqual(context.pauses, [10, 10, 10, 10]);
});

test('the board says what to do about it, where the error does, and so does `swa status`', async (t) => {
  const context = setUp();
  const hint = 'restore the file from a backup';
  const start = () => Promise.reject(new SwaError('master.corrupt', 'it is damaged', { hint }));
  const role = await supervise('sink', start, context, backoff);
  t.after(() => role.stop());
  const { dataDir } = context.config;
  await eventually('it has failed', () => readStatus(dataDir)[0]?.lastError ?? undefined);
  assert.equal(readStatus(dataDir)[0]?.lastError?.hint, hint);
  const env = { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir };
  const { stdout } = spawnSync(process.execPath, [assetPath('bin/swa'), 'status'], { env, encoding: 'utf8' });
  assert.match(stdout, /^sink .* master\.corrupt: it is damaged \(hint: restore the file from a backup\)$/m);
});

test('what no pause mends ends the system', async () => {
  const context = setUp();
  const codes: ErrorCode[] = ['config.invalid', 'log.mismatch', 'data-dir.in-use', 'port.in-use'];
  for (const code of codes) {
    const start = () => Promise.reject(new SwaError(code, 'never'));
    await assert.rejects(supervise('batch', start, context, backoff), { code });
  }
  const fake = new FakeRole();
  const role = await supervise('batch', async () => fake, context, backoff);
  fake.fail(new SwaError('log.mismatch', 'another log'));
  await assert.rejects(role.done, { code: 'log.mismatch' });
  await role.stop();
});

test('a system that stops waits for no pause', async () => {
  const context = setUp();
  let starts = 0;
  const start = (): Promise<RunningRole> => {
    starts++;
    return Promise.reject(new Error('trouble'));
  };
  const role = await supervise('batch', start, context, { firstMs: 3_600_000, maxMs: 3_600_000, resetMs: 0 });
  await role.stop();
  assert.equal(starts, 1);
});
