/** More connections than the process may have open files: everything goes on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../lib/files/assets.js';
import { readStatus } from '../lib/process/status.js';
import { eventually } from './eventually.js';
import { tempDir } from './temp-dir.js';

const skip = process.platform === 'win32' ? 'there is no ulimit' : false;

test(
  '1,100 idle connections at 1,024 descriptors end no role; facts go in and are counted',
  { skip },
  async (t) => {
    const dir = tempDir('descriptors');
    const dataDir = join(dir, 'data');
    const child = spawn('sh', ['-c', 'ulimit -n 1024; exec "$0" bin/swa start', process.execPath], {
      cwd: projectRoot,
      env: {
        PATH: process.env['PATH'],
        SWA_DATA_DIR: dataDir,
        SWA_HTTP_PORT: '0',
        SWA_SINK_INTERVAL_MS: '200',
        SWA_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk) => (said += String(chunk)));
    const exited = once(child, 'exit');
    const sockets: Socket[] = [];
    t.after(async () => {
      for (const socket of sockets) socket.destroy();
      child.kill('SIGTERM');
      await exited;
      rmSync(dir, { recursive: true, force: true });
    });
    const origin = await eventually('the system listens', () => {
      assert.equal(child.exitCode, null, said);
      const entry = readStatus(dataDir).find(({ role, state }) => role === 'batch' && state === 'running');
      return entry === undefined ? undefined : /http:\S+\d/.exec(said)?.[0];
    });
    const { hostname, port } = new URL(origin);
    for (let i = 0; i < 1_100; i++) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined).resume();
      sockets.push(socket);
      await once(socket, 'connect');
    }
    const send = async (visitor: string): Promise<number> => {
      const fact = {
        type: 'pageview',
        visitor,
        url: 'https://www.example.org/',
        timestamp: '2026-01-01T00:00:00Z',
      };
      const sent = await fetch(`${origin}/v1/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(fact),
      });
      return sent.status;
    };
    for (let i = 0; i < 20; i++) assert.equal(await send(`cookie:${i}`), 202);
    const question = `${origin}/v1/uniques?domain=example.org&from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z`;
    await eventually('all are counted', async () => {
      const answer = (await (await fetch(question)).json()) as { data: { visitors: number } };
      return answer.data.visitors === 20 || undefined;
    });
    assert.equal((await fetch(`${origin}/readyz`)).status, 200);
    assert.ok(sockets.filter(({ closed }) => closed).length >= 500);
    assert.equal(child.exitCode, null, said);
    for (const { role, state, lastError } of readStatus(dataDir))
      assert.deepEqual([role, state, lastError], [role, 'running', null]);
  },
);
