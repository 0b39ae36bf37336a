/** The README's commands do what it says: its lines on two devices and a login, run by a shell against a whole system. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { assetPath, assetText } from '../lib/files/assets.js';
import { startTestSystem } from './running-system.js';

const run = promisify(execFile);
const origin = 'http://127.0.0.1:8080';

test('two devices and a login: two, one, and two again when it is taken back', async (t) => {
  const swa = await startTestSystem(t);
  const [, section = ''] = assetText('README.md').split('### Two devices, one person\n');
  const [, block = ''] = /^```sh\n([^]*?)^```$/m.exec(section) ?? [];
  const claims = [...block.matchAll(/^visitors +# (.*)$/gm)].map(([, said]) => said);
  assert.deepEqual(
    claims.filter((said, i) => said !== claims[i - 1]),
    ['"visitors":2', '"visitors":1', '"visitors":2'],
  );
  // What a reader sees after a moment: each claim is waited for.
  const waiting = block.replaceAll(
    /^visitors +# (.*)$/gm,
    `for i in $(seq 200); do said=$(visitors); [ "$said" = '$1' ] && break; sleep 0.1; done; echo "$said"`,
  );
  const script = waiting.replaceAll(origin, swa.system.origin).replaceAll('bin/swa', assetPath('bin/swa'));
  const { stdout } = await run('bash', ['-e', '-c', script], {
    env: { ...process.env, SWA_DATA_DIR: swa.config.dataDir },
    timeout: 120_000,
  });
  const shown = stdout.split('\n').filter((line) => line.startsWith('"visitors"'));
  assert.deepEqual(shown, claims);
});
