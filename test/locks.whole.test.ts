/**
 * Two systems on one data directory that cannot see each other's processes, as two containers on one volume: the kernel's locks let
 * one in, whatever its process id and host name, and the next as soon as that one is dead.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { assetPath } from '../lib/files/assets.js';
import { eventually } from './eventually.js';
import { tempDir } from './temp-dir.js';

const isRoot = spawnSync('unshare', ['-p', '-u', '-f', '--mount-proc', 'true']).status === 0;
const skip = isRoot ? false : 'needs root and unshare(1)';

/** `swa` as the first process of a space of process ids, under a host name. */
class Container {
  readonly #unshare: ChildProcess;
  readonly #ended: Promise<unknown>;
  stderr = '';

  constructor(t: TestContext, dataDir: string, host: string, args: readonly string[]) {
    const script = `hostname ${host}; exec "$0" "$@"`;
    this.#unshare = spawn(
      'unshare',
      ['-p', '-u', '-f', '--mount-proc', 'sh', '-c', script, process.execPath, assetPath('bin/swa'), ...args],
      {
        env: {
          PATH: process.env['PATH'],
          SWA_DATA_DIR: dataDir,
          SWA_HTTP_PORT: '0',
          SWA_BATCH_SCHEDULE: 'off',
          SWA_LOG_LEVEL: 'error',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#unshare.stderr?.on('data', (piece: Buffer) => (this.stderr += piece.toString()));
    this.#ended = once(this.#unshare, 'close');
    t.after(() => this.kill());
  }

  /** Its exit code; fails where it goes on instead. */
  refused(): Promise<number> {
    return eventually('it ends', () => this.#unshare.exitCode ?? undefined);
  }

  /** kill -9 of its first process, and so of all. Resolves when it is gone. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#unshare;
    if (exitCode !== null || signalCode !== null) return;
    const inside = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (inside !== '') process.kill(Number(inside), 'SIGKILL');
    await this.#ended;
  }

  /** Where it serves, once it does. */
  url(): Promise<string> {
    return eventually('the system serves', () => {
      assert.equal(this.#unshare.exitCode, null, this.stderr);
      return /http:\/\/127\.0\.0\.1:\d+/.exec(this.stderr)?.[0];
    });
  }
}

async function send(url: string, visitor: string): Promise<void> {
  const fact = { type: 'pageview', visitor, url: 'https://example.org/', timestamp: '2020-01-01T00:30:00Z' };
  const { status } = await fetch(`${url}/v1/events`, { method: 'POST', body: JSON.stringify(fact), headers });
  assert.equal(status, 202);
}
const headers = { 'Content-Type': 'application/json' };

async function untilCounted(url: string, visitors: number): Promise<void> {
  const question = 'domain=example.org&from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z';
  await eventually(`${visitors} visitors are counted`, async () => {
    const response = await fetch(`${url}/v1/uniques?${question}`);
    const { data } = (await response.json()) as { data?: { visitors: number } };
    return data?.visitors === visitors || undefined;
  });
}

test(
  'one at a time over spaces of process ids and host names, and the next one as soon as it is dead',
  { skip },
  async (t) => {
    const dir = tempDir('locks');
    const dataDir = join(dir, 'data');
    const first = new Container(t, dataDir, 'one', ['start']);
    const url = await first.url();
    await send(url, 'cookie:a');

    for (const host of ['one', 'another']) {
      const second = new Container(t, dataDir, host, ['start']);
      assert.equal(await second.refused(), 1, second.stderr);
      assert.match(
        second.stderr,
        /data-dir\.in-use: .* the writer of the log \(pid 1 on one\) holds the lock .*log-writer\.lock/,
      );
    }
    rmSync(join(dataDir, 'speed'), { recursive: true });
    const speed = new Container(t, dataDir, 'another', ['speed']);
    await speed.refused();
    assert.match(
      speed.stderr,
      /data-dir\.in-use: .*the speed worker of pageviews\/0 \(pid 1 on one\) holds the lock/,
    );
    await send(url, 'cookie:b');
    await untilCounted(url, 2);

    const copy = join(dir, 'copy');
    cpSync(dataDir, copy, { recursive: true });
    const copied = new Container(t, copy, 'one', ['start']);
    await untilCounted(await copied.url(), 2);
    await copied.kill();

    await first.kill();
    const next = new Container(t, dataDir, 'another', ['start']);
    const nextUrl = await next.url();
    await send(nextUrl, 'cookie:c');
    await untilCounted(nextUrl, 3);
  },
);
