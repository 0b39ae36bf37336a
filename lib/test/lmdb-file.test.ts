/** Damage that LMDB would not survive is found before it opens the file; intact files are accepted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from 'lmdb';
import { projectRoot } from '../files/assets.js';
import { lmdbDamage, lmdbFirstValue } from '../files/lmdb-file.js';
import { lcg } from '../../test/random.js';
import { rounds } from '../../test/rounds.js';
import { tempDir } from '../../test/temp-dir.js';

const seed = Number(process.env['SEED'] ?? 20261130);
const times = rounds(20, 60);
const pageBytes = 4_096;

/** A store with branch pages, overflow pages and a free list; `check` sees it after every commit, still open. */
async function makeStore(dir: string, check: (path: string) => void): Promise<string> {
  const path = join(dir, 'data.mdb');
  const db = open<Buffer, Buffer>({
    path: dir,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
  });
  for (let round = 0; round < 40; round++) {
    db.transactionSync(() => {
      for (let i = 0; i < 300; i++) {
        const key = Buffer.from(`key-${(i * 7919 + round) % 2_000}`);
        if ((i + round) % (round % 7 === 6 ? 2 : 5) === 0) db.removeSync(key);
        else db.putSync(key, Buffer.alloc(i % 40 === 0 ? 9_000 + 4_096 * ((i + round) % 9) : 60, i));
      }
    });
    check(path);
  }
  await db.close();
  return path;
}

test('an intact store passes the check after every commit, while it is open', async () => {
  const dir = tempDir('lmdb');
  let looks = 0;
  const path = await makeStore(dir, (file) => {
    looks++;
    assert.equal(lmdbDamage(file), undefined, `after commit ${looks}`);
  });
  assert.equal(looks, 40);
  assert.equal(lmdbDamage(path), undefined);
  assert.ok(readFileSync(path).length > 60 * pageBytes);
});

test('the value of the lowest key is read without LMDB after every commit, whatever its size', async () => {
  const dir = tempDir('lmdb');
  const path = join(dir, 'data.mdb');
  const least = Buffer.of(0);
  assert.equal(lmdbFirstValue(path, least), undefined, 'no file');
  const db = open<Buffer, Buffer>({
    path: dir,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
  });
  assert.equal(lmdbFirstValue(path, least), undefined, 'no record');
  for (let round = 1; round <= 40; round++) {
    const value = Buffer.alloc(round % 5 === 0 ? 4_096 * round : 10 * round, round);
    db.transactionSync(() => {
      db.putSync(least, value);
      for (let i = 0; i < 100; i++) db.putSync(Buffer.from(`key-${round}-${i}`), Buffer.alloc(60, i));
    });
    assert.deepEqual(lmdbFirstValue(path, least), value, `commit ${round}`);
  }
  assert.equal(lmdbFirstValue(path, Buffer.of(1)), undefined, 'another key');
  db.transactionSync(() => db.removeSync(least));
  assert.equal(lmdbFirstValue(path, least), undefined, 'removed');
  await db.close();
});

test('what is not a store is named: missing, a folder, short, garbage', () => {
  const dir = tempDir('lmdb');
  assert.match(lmdbDamage(join(dir, 'none')) ?? '', /missing/);
  assert.match(lmdbDamage(dir) ?? '', /not a file|cannot be read/);
  for (const size of [1, 4_095, 4_096, 8_191, 100_000]) {
    writeFileSync(join(dir, 'x'), Buffer.alloc(size, 0x5a));
    assert.ok(lmdbDamage(join(dir, 'x')) !== undefined, `${size} bytes`);
  }
});

/** Opens a store, reads all of it, and writes; prints the result. Runs in its own process, because it may crash. */
const reader = `
import { open } from 'lmdb';
try {
  const db = open({ path: process.argv[1], encoding: 'binary', keyEncoding: 'binary', overlappingSync: false });
  let count = 0;
  for (const { value } of db.getRange({})) count += value.length > 0 ? 1 : 0;
  db.transactionSync(() => { for (let i = 0; i < 400; i++) db.putSync(Buffer.from('key-' + i), Buffer.alloc(i % 20 === 0 ? 9000 : 50)); });
  await db.close();
  process.stdout.write('read ' + count);
} catch (error) {
  process.stdout.write('threw ' + error.message);
}
`;

test('damage that passes the check never ends a process by a signal', { timeout: 600_000 }, async (t) => {
  const dir = tempDir('lmdb');
  const sound = readFileSync(await makeStore(join(dir, 'sound'), () => undefined));
  const random = lcg(seed);
  const pages = sound.length / pageBytes;
  let found = 0;
  const passed: Buffer[] = [];
  for (let round = 0; round < times; round++) {
    const bytes = Buffer.from(sound);
    const page = Math.floor(random() * pages);
    const kind = round % 5;
    if (kind === 0) bytes.fill(0, page * pageBytes, (page + 1) * pageBytes);
    else if (kind === 1)
      for (let i = 0; i < pageBytes; i++) bytes[page * pageBytes + i] = Math.floor(random() * 256);
    else if (kind === 2) bytes.copy(bytes, page * pageBytes, Math.floor(random() * pages) * pageBytes);
    else if (kind === 3)
      bytes.writeUInt16LE(Math.floor(random() * 65_536), page * pageBytes + 2 * Math.floor(random() * 24));
    const cut = kind === 4 ? bytes.subarray(0, Math.floor(random() * sound.length)) : bytes;
    const path = join(dir, 'damaged');
    writeFileSync(path, cut);
    if (lmdbDamage(path) === undefined) passed.push(cut);
    else found++;
  }
  t.diagnostic(
    `SEED=${seed}: ${found} of ${times} kinds of damage found, ${passed.length} open without harm`,
  );
  assert.ok(found > times / 4);
  for (const [i, bytes] of passed.entries()) {
    const at = join(dir, `passed-${i}`);
    mkdirSync(at);
    writeFileSync(join(at, 'data.mdb'), bytes);
    cpSync(join(dir, 'sound', 'lock.mdb'), join(at, 'lock.mdb'));
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', reader, at], {
      encoding: 'utf8',
      cwd: projectRoot,
    });
    assert.match(said, /^(read|threw) /, `SEED=${seed}, passed ${i}`);
    rmSync(at, { recursive: true });
  }
});
