import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FactStore, factsPerBlock, newFactBatch, readFacts, wordsPerFact } from '../facts/fact-store.js';

test('facts beyond the blocks kept in memory go to the file and come back, each once, in its shard, with all its numbers', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'swa-facts-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'facts');
  const shardOfPage = Uint8Array.of(0, 3, 3, 7, 0);
  const store = new FactStore(path, 4);
  const count = 9 * factsPerBlock + 5;
  const batch = newFactBatch(3_000); // so that a batch lies across the end of a block
  const pageOf = (i: number): number => (i * 7) % shardOfPage.length;
  for (let from = 0; from < count; from += 3_000) {
    const rows = Math.min(3_000, count - from);
    for (let i = 0; i < rows; i++) {
      batch.pages[i] = pageOf(from + i);
      batch.persons[i] = from + i;
      batch.hours[i] = from + i + 1;
      batch.milliseconds[i] = from + i + 2;
      batch.coupons[i] = from + i + 3;
    }
    store.addAll(batch, rows, shardOfPage);
  }
  assert.equal(store.rows, count);
  const shards = store.finish();
  const blocks = shards.flatMap((shard) => shard.blocks);
  const inFile = blocks.filter((block) => typeof block === 'number').length;
  assert.equal(blocks.length - inFile, 4);
  assert.equal(statSync(path).size, inFile * 4 * wordsPerFact * factsPerBlock);
  const seen = new Uint8Array(count);
  for (const [shard, facts] of shards.entries()) {
    let last = -1;
    let rows = 0;
    let wrong = 0;
    for (const words of readFacts(facts)) {
      for (let at = 0; at < words.length; at += wordsPerFact) {
        const [page = -1, person = -1, ...others] = words.subarray(at, at + wordsPerFact);
        const isWhole = others.every((word, i) => word === person + 1 + i);
        if (!isWhole || page !== pageOf(person) || shardOfPage[page] !== shard || person <= last) wrong++;
        seen[person] = (seen[person] ?? 0) + 1;
        last = person;
        rows++;
      }
    }
    assert.equal(rows, facts.rows);
    assert.equal(wrong, 0);
  }
  assert.ok(seen.every((times) => times === 1));
});
