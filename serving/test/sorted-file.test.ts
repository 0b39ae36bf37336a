import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { SortedFile, SortedFileWriter } from '../sorted-file.js';
import { tempDir } from '../../test/temp-dir.js';

const tables = ['one', 'two'] as const;
type Table = (typeof tables)[number];
type Entries = readonly (readonly [key: Buffer, value: Buffer])[];

/** Few letters and long prefixes, so that keys share prefixes and are prefixes of each other. */
const key = fc
  .tuple(
    fc.constantFrom('', 'k', 'https://example.com/', 'x'.repeat(1_900)),
    fc.array(fc.constantFrom(0, 1, 127, 255)),
  )
  .map(([start, rest]) => Buffer.concat([Buffer.from(start), Uint8Array.from(rest)]));
const value = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  fc.integer({ min: 3_900, max: 9_000 }).map((length) => new Uint8Array(length).fill(length)),
);
const entries = fc
  .uniqueArray(fc.tuple(key, value), {
    maxLength: 300,
    selector: ([bytes]) => bytes.toString('latin1'),
  })
  .map((all): Entries =>
    all.map(([k, v]) => [k, Buffer.from(v)] as const).toSorted(([a], [b]) => Buffer.compare(a, b)),
  );

test('what was written is found by its key, nothing else is, and all of it comes in order', async () => {
  const dir = tempDir('sorted');
  let files = 0;
  await fc.assert(
    fc.asyncProperty(entries, entries, fc.array(key, { maxLength: 50 }), async (one, two, others) => {
      const path = join(dir, String(files++));
      const all: Record<Table, Entries> = { one, two };
      const { seal, hashes } = await write(path, all);
      const file = new SortedFile(path, seal, tables);
      for (const table of tables) {
        const known = new Map(all[table].map(([k, v]) => [k.toString('latin1'), v]));
        for (const k of [...all[table].map(([each]) => each), ...others])
          assert.deepEqual(file.get(table, k), known.get(k.toString('latin1')));
        assert.deepEqual(
          [...file.keys(table)],
          all[table].map(([k]) => k),
        );
        assert.deepEqual(
          [...file.values(table)],
          all[table].map(([, v]) => v),
        );
      }
      file.close();
      const again = await write(`${path}-again`, { one: two, two: one });
      assert.deepEqual(
        hashes,
        { one: again.hashes.two, two: again.hashes.one },
        'hashes are of what tables hold',
      );
      rmSync(path);
      rmSync(`${path}-again`);
    }),
    { numRuns: 60 },
  );
});

async function write(
  path: string,
  all: Record<Table, Entries>,
): ReturnType<SortedFileWriter<Table>['close']> {
  const writer = new SortedFileWriter(path, tables);
  // Interleaved, as when the index of a view is written.
  for (let i = 0; i < Math.max(all.one.length, all.two.length); i++) {
    for (const table of tables) {
      const entry = all[table][i];
      if (entry !== undefined) writer.add(table, ...entry);
    }
  }
  return writer.close();
}

function keyOf(i: number): Buffer {
  return Buffer.from(`https://example.com/${String(i).padStart(8, '0')}`);
}

test('300,000 entries make a tree of several levels, read through more blocks than are kept', async () => {
  const path = join(tempDir('sorted'), 'file');
  const writer = new SortedFileWriter(path, tables);
  const padding = 'y'.repeat(300);
  for (let i = 0; i < 300_000; i++) writer.add('one', keyOf(2 * i), Buffer.from(`${i}${padding}`));
  const { seal } = await writer.close();
  const file = new SortedFile(path, seal, tables);
  for (let step = 0, i = 0; step < 100_000; step++, i = (i + 180_001) % 300_000) {
    assert.equal(file.get('one', keyOf(2 * i))?.toString(), `${i}${padding}`);
    assert.equal(file.get('one', keyOf(2 * i + 1)), undefined);
  }
  file.close();
});

test('keys that do not ascend are refused', () => {
  const writer = new SortedFileWriter(join(tempDir('sorted'), 'file'), tables);
  writer.add('one', Buffer.from('b'), Buffer.alloc(0));
  writer.add('two', Buffer.from('a'), Buffer.alloc(0));
  for (const wrong of ['a', 'b', ''])
    assert.throws(() => writer.add('one', Buffer.from(wrong), Buffer.alloc(0)), {
      code: 'internal.invariant',
    });
  writer.abandon();
});
