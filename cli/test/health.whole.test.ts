/** The health check of the image, against a whole system in this process. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { startTestSystem } from '../../test/running-system.js';

test('a system is healthy while all its roles are at work, and not before or after', async (t) => {
  const { config, system } = await startTestSystem(t);
  const look = (...args: string[]) => check(config.dataDir, args);
  const whole = await look();
  assert.equal(whole.code, 0, whole.text);
  for (const role of ['collector', 'sink', 'batch', 'speed', 'query']) {
    assert.ok(whole.text.includes(role), whole.text);
    assert.deepEqual(await look(role), { code: 0, text: `at work: ${role}\n` });
  }
  await system.stop();
  const { code, text } = await look();
  assert.equal(code, 1, text);
  assert.match(text, /query: state stopped/);
  assert.deepEqual(await check(`${config.dataDir}-none`, []), {
    code: 1,
    text: 'no role is running here\n',
  });
});

function check(dataDir: string, args: readonly string[]): Promise<{ code: unknown; text: string }> {
  const env = { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir };
  return new Promise((resolve) => {
    execFile(process.execPath, [assetPath('dist/cli/health.js'), ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, text: stdout + stderr }),
    );
  });
}
