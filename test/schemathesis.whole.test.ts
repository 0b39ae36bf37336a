/**
 * The HTTP API against its own description, asked by Schemathesis: requests made from /openapi.json, valid and not, get no 5xx, and every answer has a
 * status, a media type, headers and a body that the description names. It is installed with
 *     python3 -m venv test/clients/target && test/clients/target/bin/pip install -r test/clients/requirements.txt
 * SEED=<number> repeats a run.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { startTestSystem } from './running-system.js';
import { tempDir } from './temp-dir.js';
import { venvProgram } from './venv.js';

const { path: program, skip } = venvProgram('test/clients', 'schemathesis', 'Schemathesis');

test('every answer is as the description says, and none is a 5xx', { skip, timeout: 300_000 }, async (t) => {
  const dir = tempDir('schemathesis');
  const { system } = await startTestSystem(t);
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const args = ['run', `${system.origin}/openapi.json`, '--checks', 'all'];
  // What is a time zone, a domain or a page is more than a schema can say; facts are refused one by one within a 202, and 431 counts as no refusal there.
  args.push('--exclude-checks', 'positive_data_acceptance,negative_data_rejection');
  args.push(
    '--phases',
    'examples,coverage,fuzzing',
    '--max-examples',
    '30',
    '--seed',
    String(seed),
    '--no-color',
  );
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
    execFile(program, args, { cwd: dir, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      const failed = typeof error?.code === 'number' ? error.code : -1;
      resolve({ code: error === null ? 0 : failed, output: stdout + stderr });
    });
  });
  // Long requests are shown whole.
  assert.equal(
    code,
    0,
    output
      .split('\n')
      .map((line) => line.slice(0, 400))
      .join('\n'),
  );
});
