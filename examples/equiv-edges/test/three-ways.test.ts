/** What the three ways cost, for several seeds; and that the page in docs shows real output. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { assetText } from '../../../lib/files/assets.js';
import { compareWays } from '../three-ways.js';

test('the precomputed mapping is far nearer than no mapping, and far smaller than full sets', () => {
  for (const seed of [1, 2, 3]) {
    const { ignore, precomputed, follow } = compareWays(seed);
    assert.ok(precomputed.meanError * 5 < ignore.meanError, `seed ${seed}`);
    assert.equal(follow.meanError, 0);
    assert.ok(precomputed.bytes * 50 < follow.bytes, `seed ${seed}`);
  }
});

test('docs/from-the-book.md shows what the command prints', () => {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [main], { encoding: 'utf8' });
  assert.ok(
    assetText('docs/from-the-book.md').includes(`$ node dist/examples/equiv-edges/main.js\n${stdout}`),
  );
});
