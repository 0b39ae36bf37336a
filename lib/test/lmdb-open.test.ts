/** Whatever keeps LMDB from opening a file is an error with a code, never the end of the process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from 'lmdb';
import { projectRoot } from '../files/assets.js';
import { emptyLmdbFile, lmdbDamage } from '../files/lmdb-file.js';
import { openLmdb } from '../files/lmdb-open.js';
import { tempDir } from '../../test/temp-dir.js';

const pageBytes = 4_096;

test('a new file has the bytes that LMDB would write, and LMDB takes records into it', async () => {
  const dir = tempDir('lmdb-open');
  const own = open({ path: join(dir, 'own'), overlappingSync: false });
  const written = readFileSync(join(dir, 'own', 'data.mdb'));
  await own.close();
  const made = Buffer.from(emptyLmdbFile());
  for (const page of [0, pageBytes]) written.copy(made, page + 40, page + 40, page + 48); // size of the memory map
  if (written.readUInt32LE(48) === pageBytes) assert.deepEqual(made, written);

  const path = join(dir, 'new');
  mkdirSync(path);
  for (const count of [0, 1, 2]) {
    const db = openLmdb<string, number>(path, { maxReaders: 10 });
    assert.equal(db.getKeysCount(), count);
    await db.put(count, 'a text');
    await db.close();
    assert.equal(lmdbDamage(join(path, 'data.mdb')), undefined);
  }
});

/** Tries to open the directory many times, because a freed pointer kills only sometimes; prints the codes. */
const opener = `
import { openLmdb } from ${JSON.stringify(join(projectRoot, 'dist/lib/files/lmdb-open.js'))};
import { openSync } from 'node:fs';
const codes = new Set();
const spare = [];
if (process.argv[2] === 'no descriptors') {
  const first = openLmdb(process.argv[1] + '/other', { maxReaders: 10 }); // what LMDB loads at its first use is loaded
  await first.close();
  try { for (;;) spare.push(openSync('/dev/null')); } catch {}
}
for (let i = 0; i < 300; i++) {
  try { openLmdb(process.argv[1], { maxReaders: 10 }); codes.add('opened'); break; } catch (error) { codes.add(error.code); }
}
process.stdout.write([...codes].join());
`;

const spoilers: Readonly<Record<string, (dir: string) => void>> = {
  'a folder for the lock file': (dir) => mkdirSync(join(dir, 'lock.mdb')),
  'a folder for the data': (dir) => mkdirSync(join(dir, 'data.mdb')),
  'one page': (dir) => writeFileSync(join(dir, 'data.mdb'), emptyLmdbFile().subarray(0, pageBytes)),
  'half a page': (dir) => writeFileSync(join(dir, 'data.mdb'), emptyLmdbFile().subarray(0, 2_000)),
  garbage: (dir) => writeFileSync(join(dir, 'data.mdb'), Buffer.alloc(2 * pageBytes, 0x5a)),
  'another version': (dir) => {
    const bytes = emptyLmdbFile();
    bytes[28] = 9;
    writeFileSync(join(dir, 'data.mdb'), bytes);
  },
  'no directory': (dir) => copyFileSync('/dev/null', join(dir, 'in-its-place')),
  'no descriptors': (dir) => mkdirSync(join(dir, 'other')),
};

const expected: Readonly<Record<string, string>> = {
  'no directory': 'ENOENT',
  'no descriptors': 'EMFILE',
};

for (const [name, spoil] of Object.entries(spoilers)) {
  test(`opening fails with a code: ${name}`, () => {
    const dir = tempDir('lmdb-open');
    spoil(dir);
    const path = name === 'no directory' ? join(dir, 'none') : dir;
    const { status, signal, stdout, stderr } = spawnSync(
      'sh',
      [
        '-c',
        'ulimit -n 200; exec "$@"',
        'sh',
        process.execPath,
        '--input-type=module',
        '-e',
        opener,
        path,
        name,
      ],
      { encoding: 'utf8', timeout: 120_000 },
    );
    assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr);
    assert.equal(stdout, expected[name] ?? '-30793', stderr);
  });
}

test('an empty file is an interrupted creation: it is created again', async () => {
  const dir = tempDir('lmdb-open');
  writeFileSync(join(dir, 'data.mdb'), '');
  const db = openLmdb<string, number>(dir, { maxReaders: 10 });
  await db.put(1, 'a text');
  assert.equal(db.get(1), 'a text');
  await db.close();
});

test('opening again in one process keeps the locks that keep another process from resetting the lock file', async () => {
  const dir = tempDir('lmdb-open');
  const first = openLmdb<string, number>(dir, { maxReaders: 10 });
  await first.put(1, 'a text');
  const reading = first.useReadTransaction();
  const second = openLmdb<string, number>(dir, { maxReaders: 10 });
  const other = `
    import { openLmdb } from ${JSON.stringify(join(projectRoot, 'dist/lib/files/lmdb-open.js'))};
    const db = openLmdb(process.argv[1], { maxReaders: 10 });
    process.stdout.write(db.get(1));
    await db.close();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', other, dir], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(stdout, 'a text', stderr);
  reading.done();
  // Throws MDB_BAD_RSLOT if the other process has reset the table of readers.
  for (let i = 0; i < 3; i++) {
    const again = first.useReadTransaction();
    assert.equal(first.get(1, { transaction: again }), 'a text');
    again.done();
    first.resetReadTxn();
  }
  await second.close();
  await first.close();
});
