/** Checked files: no byte is used before it is checked. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../../lib/errors/errors.js';
import { CheckedFile, CheckedWriter, type FileSeal } from '../checked-file.js';
import { tempDir } from '../../test/temp-dir.js';

const sizeBytes = 20_000; // three pieces, the last one shorter

async function written(): Promise<{ path: string; data: Buffer; seal: FileSeal }> {
  const dir = tempDir('checked');
  const path = join(dir, 'file');
  const data = Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, i) => i * 31));
  const writer = new CheckedWriter(path);
  for (let from = 0; from < sizeBytes; from += 777)
    writer.write(data.subarray(from, Math.min(sizeBytes, from + 777)));
  return { path, data, seal: await writer.close() };
}

/** The bytes from `offset` on, or the code of the error. */
function readOf(path: string, seal: FileSeal, offset: number, length: number): Buffer | string {
  let file: CheckedFile | undefined;
  try {
    file = new CheckedFile(path, seal);
    const into = Buffer.alloc(length);
    file.read(into, offset);
    return into;
  } catch (error) {
    if (!hasCode(error, 'view.corrupt')) throw error;
    return 'view.corrupt';
  } finally {
    file?.close();
  }
}

test('a changed byte is found by reads of its piece, and only by those', async () => {
  const { path, data, seal } = await written();
  assert.deepEqual(readOf(path, seal, 0, sizeBytes), data);
  const whole = readFileSync(path);
  for (const at of [0, 8_191, 8_192, 16_383, 16_384, sizeBytes - 1]) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    assert.equal(readOf(path, seal, at, 1), 'view.corrupt', `byte ${at}`);
    const other = at < 8_192 ? 10_000 : 100;
    assert.deepEqual(readOf(path, seal, other, 50), data.subarray(other, other + 50));
  }
});

test('a changed list of checksums, and a file of another length, are found when it is opened', async () => {
  const { path, seal } = await written();
  const whole = readFileSync(path);
  const changed = Buffer.from(whole);
  changed[sizeBytes + 5] = (changed[sizeBytes + 5] ?? 0) ^ 1;
  for (const bytes of [changed, whole.subarray(0, -1), Buffer.concat([whole, Buffer.of(0)])]) {
    writeFileSync(path, bytes);
    assert.equal(readOf(path, seal, 0, 1), 'view.corrupt');
  }
});
