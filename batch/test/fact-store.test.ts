import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FactStore, newFactBatch, readFacts, rowsPerBlock } from '../fact-store.js';

test('facts beyond the blocks kept in memory go to the file and come back, each once and with all its numbers', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'swa-facts-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'facts');
  const store = new FactStore(path, 2);
  const count = 4 * rowsPerBlock + 5;
  const batch = newFactBatch(3_000); // so that a batch lies across the end of a block
  for (let from = 0; from < count; from += 3_000) {
    const rows = Math.min(3_000, count - from);
    for (let i = 0; i < rows; i++) {
      batch.pages[i] = from + i;
      batch.persons[i] = from + i + 1;
      batch.hours[i] = from + i + 2;
      batch.milliseconds[i] = from + i + 3;
      batch.coupons[i] = from + i + 4;
    }
    store.addAll(batch, rows);
  }
  const handle = store.handle();
  assert.equal(handle.rows, count);
  assert.equal(handle.blocks.length, 2);
  assert.equal(statSync(path).size, handle.spilledBlocks * 5 * 4 * rowsPerBlock);
  const seen = new Uint8Array(count);
  let wrong = 0;
  for (const { rows, pages, persons, hours, milliseconds, coupons } of readFacts(handle)) {
    for (let row = 0; row < rows; row++) {
      const page = pages[row] ?? -1;
      seen[page] = (seen[page] ?? 0) + 1;
      const whole =
        persons[row] === page + 1 &&
        hours[row] === page + 2 &&
        milliseconds[row] === page + 3 &&
        coupons[row] === page + 4;
      if (!whole) wrong++;
    }
  }
  assert.equal(wrong, 0);
  assert.ok(seen.every((times) => times === 1));
});
