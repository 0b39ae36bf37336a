/** Tests that docs/queues.md shows what the examples print and claims what they do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { assetPath, assetText } from '../../../lib/files/assets.js';
import { report } from '../report.js';

test('the page on queues shows what the example prints, and the example shows what the page claims', async () => {
  const printed = await report();
  assert.ok(assetText('docs/queues.md').includes(printed.trimEnd()), printed);
  const [, forget = '', single = '', multi = ''] = printed.split('\n\n');
  assert.doesNotMatch(forget, / 0 lost/);
  for (const kept of [single, multi]) assert.doesNotMatch(kept, /[1-9]\d* lost/);
  assert.match(single, /[1-9]\d* repeated/);
  assert.match(multi, /count .*[1-9]\d* repeated/);
  assert.match(multi, /archive +300 once +0 lost +0 repeated/);
  assert.match(multi, /late +300 once +0 lost +0 repeated/);
});

test('the page shows what the queues and workers do', () => {
  const printed = execFileSync(process.execPath, [assetPath('dist/examples/queue-worker/main.js')], {
    encoding: 'utf8',
  });
  assert.ok(assetText('docs/queues.md').includes(printed.trimEnd()), printed);
});
