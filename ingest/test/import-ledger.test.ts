import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { lookUp } from '../import-ledger.js';
import { tempDir } from '../../test/temp-dir.js';

test('a log is the same file plain, compressed, in members, cut short, and with garbage behind it', async () => {
  const dir = tempDir('ledger');
  const text = Buffer.from(Array.from({ length: 1_000 }, (_, i) => `line ${i * i}\n`).join(''));
  const zipped = gzipSync(text);
  const files = {
    plain: text,
    zipped,
    members: Buffer.concat([gzipSync(text.subarray(0, 100)), gzipSync(text.subarray(100))]),
    short: zipped.subarray(0, 0.8 * zipped.length),
    padded: Buffer.concat([zipped, Buffer.alloc(512)]),
    garbage: Buffer.concat([zipped, Buffer.from('garbage')]),
  };
  assert.ok(zipped.length < 16_384, 'what is behind the data is in the first bytes');
  const heads = [];
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    heads.push((await lookUp([], path, '', false, 'key')).head);
  }
  assert.equal(heads[0]?.sizeBytes, 4_096);
  for (const head of heads) assert.deepEqual(head, heads[0]);
});
