/** Exports that are ended in the middle: the file is there when it is whole, or not at all. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { setUp } from './swa-command.js';

for (const signal of ['SIGTERM', 'SIGKILL'] as const)
  test(`an export that is ended by ${signal} leaves no file, and the next one is whole`, async () => {
    const { dir, dataDir, swa } = setUp();
    const env = { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir };
    const path = join(dir, 'facts.ndjson');
    const fact = {
      type: 'pageview',
      visitor: 'cookie:1',
      url: 'https://export.example/',
      timestamp: 1_778_400_000_000,
    };
    writeFileSync(
      path,
      Array.from({ length: 100 }, (_, i) => `${JSON.stringify({ ...fact, eventId: `e${i}` })}\n`).join(''),
    );
    assert.equal((await swa(['import', path])).code, 0);
    for (const format of ['parquet', 'ndjson']) {
      const folder = join(dir, format);
      mkdirSync(folder);
      const out = join(folder, 'facts');
      const child = spawn(
        process.execPath,
        [assetPath('bin/swa'), 'export', '--format', format, '--out', out],
        { env, stdio: 'ignore' },
      );
      const watcher = watch(folder, () => {
        watcher.close(); // one signal
        child.kill(signal); // it has begun to write
      });
      const [code, endedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      assert.notEqual(code, 0);
      const left = readdirSync(folder);
      assert.ok(!left.includes('facts'), left.join());
      if (signal === 'SIGTERM') assert.deepEqual({ left, endedBy }, { left: [], endedBy: null });
      const whole = await swa(['export', '--format', format, '--out', out]);
      assert.match(whole.stderr, /100 facts/);
      assert.deepEqual(readdirSync(folder), ['facts']);
    }
  });
