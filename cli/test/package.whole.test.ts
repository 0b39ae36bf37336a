/** The npm package contains everything needed at runtime, including the sketches: the test packs it, unpacks it beside the installed packages, and runs it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { assetPath } from '../../lib/files/assets.js';
import { tempDir } from '../../test/temp-dir.js';

const packedSchema = z.tuple([
  z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) }),
]);
const answerSchema = z.object({ data: z.object({ visitors: z.number() }) });

test('from the package one can import, recompute and ask; tests and benches are not in it', () => {
  const dir = tempDir('package');
  // Everything is built already, and `prepack` would build it again while other tests run.
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], {
    cwd: assetPath(''),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename, files }] = packedSchema.parse(JSON.parse(output));
  const strays = files.filter(({ path }) => /(^|\/)(test|bench|examples|data)\//.test(path));
  assert.deepEqual(strays, []);
  execFileSync('tar', ['xzf', filename], { cwd: dir });
  symlinkSync(assetPath('node_modules'), join(dir, 'node_modules'));
  assert.ok(existsSync(join(dir, 'package', 'dashboard', 'index.html')));
  const swa = (...args: string[]): string =>
    execFileSync(process.execPath, [join(dir, 'package', 'bin', 'swa'), ...args], {
      cwd: dir,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], SWA_DATA_DIR: join(dir, 'data') },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const fact = {
    type: 'pageview',
    visitor: 'cookie:1',
    url: 'https://a.example/x',
    timestamp: Date.UTC(2026, 0, 1),
  };
  writeFileSync(join(dir, 'facts.ndjson'), `${JSON.stringify(fact)}\n`);
  swa('import', 'facts.ndjson', '--format', 'ndjson');
  swa('batch', 'run');
  const range = ['--from', '2026-01-01', '--to', '2026-01-02'];
  const answer = swa('query', 'uniques', '--domain', 'a.example', ...range);
  assert.equal(answerSchema.parse(JSON.parse(answer)).data.visitors, 1);
});
