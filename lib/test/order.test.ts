/** Files, folders and names are durable when lib/files says so, and a failed sync is never taken for a success. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertInOrder, checkOrder } from '../../test/faults/order.js';
import { Shim, shimSkip } from '../../test/faults/shim.js';
import { tempDir } from '../../test/temp-dir.js';

const child = fileURLToPath(new URL('order-child.js', import.meta.url));

function underShim(t: TestContext) {
  const root = tempDir('durable');
  const shim = new Shim(t, root);
  const run = (...wanted: string[]): string => {
    const env = { PATH: process.env['PATH'], ...shim.env({ log: true }) };
    const { status, stdout, stderr } = spawnSync(process.execPath, [child, root, wanted.join(' ')], { env });
    assert.equal(status, 0, stderr.toString());
    return stdout.toString();
  };
  return { root, shim, run };
}

test('what was made, replaced, moved or removed is durable, bytes and names', { skip: shimSkip }, (t) => {
  const { root, shim, run } = underShim(t);
  assert.equal(run(), 'one three - - small');
  assertInOrder(checkOrder(shim.events(), root, true));
  const synced = new Set(
    shim.events().flatMap(({ op, outcome, path }) => (op === 'sync' && outcome === 'ok' ? [path] : [])),
  );
  for (const name of ['log/small', 'serving/views/large', 'log/c', 'log'])
    assert.ok(synced.has(join(root, name)), name);
});

for (const [what, path] of [
  ['create', '*.tmp'],
  ['replace', '*.tmp'],
  ['small', '*/small'],
  ['large', '*/large'],
] as const) {
  test(`a sync that fails in '${what}' is reported, and not retried`, { skip: shimSkip }, (t) => {
    const { root, shim, run } = underShim(t);
    mkdirSync(join(root, 'log', 'a', 'b'), { recursive: true });
    if (what === 'replace') writeFileSync(join(root, 'log', 'a', 'b', 'replaced'), 'old');
    mkdirSync(join(root, 'serving', 'views'), { recursive: true });
    writeFileSync(join(root, 'log', 'small'), 'small');
    writeFileSync(join(root, 'serving', 'views', 'large'), 'large');
    shim.arm({ ops: ['sync'], path, action: 'fail', error: 'EIO' });
    assert.equal(run(what), `failed - ${what === 'replace' ? 'old' : '-'} small large -`);
    assert.equal(shim.fired, 1);
    const failure = shim.events().findIndex(({ op, outcome }) => op === 'sync' && outcome === 'failed');
    const failed = shim.events()[failure]?.path;
    const later = shim.events().slice(failure + 1);
    assert.deepEqual(
      later.filter((event) => event.op === 'sync' && event.path === failed),
      [],
    );
    assert.deepEqual(readdirSync(join(root, 'log', 'a')), ['b']);
    assert.deepEqual(readdirSync(join(root, 'log', 'a', 'b')), what === 'replace' ? ['replaced'] : []);
  });
}
