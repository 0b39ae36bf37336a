/** A copied text does not keep its original in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ownText } from '../memory/own-text.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // V8's own

test('a copied text does not keep the chunk it was cut from in memory', () => {
  const chunkBytes = 2 ** 20;
  const kept: string[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 64; i++) {
    const chunk = Buffer.alloc(chunkBytes, 97 + (i % 26)).toString();
    kept.push(ownText(chunk.slice(0, 100)));
  }
  collect();
  const grownBytes = process.memoryUsage().heapUsed - before;
  assert.equal(kept.length, 64);
  assert.ok(grownBytes < 8 * chunkBytes, `${grownBytes} bytes for 64 texts of 100 characters`);
});

test('it is the same text', () => {
  for (const text of ['', 'a', 'café', '日本語 🦊']) assert.equal(ownText(text), text);
  assert.equal(ownText('a\ud800b'), 'a\ufffdb');
});
