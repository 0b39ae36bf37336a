/** DuckDB as opened here can do its work and nothing else. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDuckDb, sqlName, sqlParquet, sqlText } from '../duckdb.js';
import { tempDir } from '../../test/temp-dir.js';

test('SQL reaches the allowed directories and nothing else, and cannot change that', async (t) => {
  const dir = tempDir("duck'db");
  const inside = join(dir, 'in');
  mkdirSync(inside);
  writeFileSync(join(dir, 'secret.csv'), 'a\n1\n');
  mkdirSync(join(dir, 'in-too'));
  writeFileSync(join(dir, 'in-too', 'secret.csv'), 'a\n1\n');
  const duckdb = await openDuckDb({
    allowedDirectories: [inside],
    tempDirectory: join(dir, 'temp'),
    memoryLimit: '200MB',
    threads: 1,
  });
  t.after(() => duckdb.close());
  const { connection } = duckdb;
  const file = join(inside, 'x.parquet');
  await connection.run(`COPY (SELECT 1 AS ${sqlName('a"b')}) TO ${sqlText(file)} (FORMAT parquet)`);
  assert.deepEqual(await (await connection.run(`FROM ${sqlText(file)}`)).getRows(), [[1]]);
  const refused = [
    `FROM read_csv(${sqlText(join(dir, 'secret.csv'))})`,
    `FROM read_csv(${sqlText(join(dir, 'in-too', 'secret.csv'))})`,
    `FROM read_csv(${sqlText(join(inside, '..', 'secret.csv'))})`,
    `FROM read_text('/etc/passwd')`,
    `COPY (SELECT 1) TO ${sqlText(join(dir, 'out.csv'))}`,
    `ATTACH ${sqlText(join(dir, 'other.db'))}`,
    `FROM read_parquet('https://example.com/x.parquet')`,
    'INSTALL httpfs',
    'SET enable_external_access = true',
    "SET allowed_directories = ['/']",
    "SET memory_limit = '100GB'",
  ];
  for (const sql of refused) await assert.rejects(connection.run(sql), /./, sql);
  assert.ok(!existsSync(join(dir, 'out.csv')));
});

test('what does not fit in memory is spilled to the temp directory', async (t) => {
  const dir = tempDir('spill');
  const duckdb = await openDuckDb({
    allowedDirectories: [],
    tempDirectory: join(dir, 'temp'),
    memoryLimit: '60MB',
    threads: 1,
  });
  t.after(() => duckdb.close());
  const { connection } = duckdb;
  const result = await connection.run(
    `SELECT count(*) FROM (SELECT i, row_number() OVER (ORDER BY hash(i)) AS n FROM range(4_000_000) AS r(i)) WHERE n > 0`,
  );
  assert.deepEqual(await result.getRows(), [[4_000_000n]]);
});

test('a file that replaces another at the same path is read, not the cached content of the old one', async (t) => {
  const dir = tempDir('duckdb');
  const path = join(dir, 'facts.parquet.tmp');
  const duckdb = await openDuckDb({
    allowedDirectories: [dir],
    tempDirectory: join(dir, 'temp'),
    memoryLimit: '200MB',
    threads: 1,
  });
  t.after(() => {
    duckdb.close();
    rmSync(dir, { recursive: true });
  });
  const { connection } = duckdb;
  // One in two hundred rounds failed.
  for (let round = 0; round < 1_000; round++) {
    const rows = 5 + (round % 3);
    const first = round * 1000 + ((round * 7919) % 900);
    const facts = `SELECT i + ${first} AS n, 'event-' || (i + ${first}) AS id, 'http://example.com/' || ((i * 7 + ${first}) % 13) AS url FROM range(${rows}) AS numbers(i)`;
    rmSync(path, { force: true });
    await connection.run(`COPY (${facts}) TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd)`);
    const read = await (await connection.run(`SELECT sum(n), min(id) FROM ${sqlParquet(path)}`)).getRows();
    assert.equal(Number(read[0]?.[0]), rows * first + (rows * (rows - 1)) / 2);
  }
});
