/** A disk that is full: facts are refused with a reason, answers go on, a start says what is wrong, and all goes on when there is room. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setUp } from '../cli/test/swa-command.js';
import { eventually } from './eventually.js';
import { runBatch, startTestSystem, untilAllCounted, type TestSystem } from './running-system.js';
import { tempDir } from './temp-dir.js';

const question = '/v1/uniques?domain=example.org&from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z';

/** A small disk of its own, or undefined where this may not be made. */
function mountDisk(t: TestContext, megabytes: number): string | undefined {
  const dir = tempDir('disk');
  const isMounted =
    spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir]).status === 0;
  t.after(() => {
    if (isMounted) spawnSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  return isMounted ? dir : undefined;
}

function diskOrSkip(t: TestContext, megabytes: number): string | undefined {
  const disk = mountDisk(t, megabytes);
  assert.ok(
    disk !== undefined || process.env['CI'] !== 'true' || process.getuid?.() !== 0,
    'cannot mount a disk',
  );
  if (disk === undefined) t.skip('needs root, to mount a small disk');
  return disk;
}

/** Takes all the room there is; call the result to give it back. */
function fill(disk: string): () => void {
  const path = join(disk, 'filler');
  for (const chunk of [2 ** 20, 4096]) {
    const { bavail, bsize } = statfsSync(disk);
    const zeros = Buffer.alloc(chunk);
    for (let left = Math.floor((bavail * bsize) / chunk); left > 0; left--)
      writeFileSync(path, zeros, { flag: 'a' });
  }
  return () => rmSync(path);
}

function post(swa: TestSystem, path: string, body?: object): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' };
  return fetch(`${swa.system.origin}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

function view(visitor: string): object {
  return { type: 'pageview', visitor, url: 'https://example.org/a', timestamp: '2024-01-01T10:00:00Z' };
}

test('a start that makes a data directory on a full disk says so, and where', async (t) => {
  const disk = diskOrSkip(t, 1);
  if (disk === undefined) return;
  fill(disk);
  const { swa } = setUp();
  const { code, stderr } = await swa(['start'], { SWA_DATA_DIR: join(disk, 'new'), SWA_HTTP_PORT: '0' });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /data-dir\.unusable: cannot use .*new' \(its disk is full: ENOSPC.*\n.*\n +hint: free disk space/,
  );
});

test(
  'on a full disk facts are refused, answers go on, and all goes on when there is room',
  { timeout: 240_000 },
  async (t) => {
    const disk = diskOrSkip(t, 96);
    if (disk === undefined) return;
    const dataDir = join(disk, 'data');
    const swa = await startTestSystem(t, { partitions: 1, dataDir });
    await swa.send([view('cookie:a')]);
    await runBatch(swa);
    const isRightFor = async (system: TestSystem, visitors: number): Promise<boolean> =>
      (await system.ask(question)).data.visitors === visitors;

    const free = fill(disk);
    let sent = 0;
    await eventually('the door refuses facts', async () => {
      const response = await post(swa, '/v1/events', view(`cookie:${'x'.repeat(200)}${sent}`));
      if (response.status === 202) sent++;
      else assert.equal(response.status, 503, await response.text());
      return response.status === 503 || undefined;
    });
    const asked = await post(swa, '/v1/batches');
    assert.equal(asked.status, 503);
    assert.match(((await asked.json()) as { detail: string }).detail, /disk is full/);
    assert.equal((await swa.get('/v1/status')).status, 200);
    assert.equal((await swa.get(question)).status, 200);
    await swa.system.stop();
    const again = await startTestSystem(t, { partitions: 1, dataDir });
    await eventually(
      'answers are there, also after a start on a full disk',
      async () => (await again.get(question)).status === 200 || undefined,
    );
    free();
    await eventually(
      'the door takes facts',
      async () => (await post(again, '/v1/events', view('cookie:b'))).status === 202 || undefined,
    );
    await untilAllCounted(again);
    await eventually(
      'a run can be asked for',
      async () => (await post(again, '/v1/batches')).status === 202 || undefined,
    );
    await runBatch(again);
    assert.ok(await isRightFor(again, sent + 2));
  },
);
