import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  BOOLEAN,
  DuckDBInstance,
  DuckDBScalarFunction,
  VARCHAR,
  type DuckDBDataChunk,
} from '@duckdb/node-api';
import fc from 'fast-check';
import { texts as textsIn } from '../columns.js';
import { sqlText } from '../duckdb.js';
import { TextColumn } from '../arrays/text-column.js';
import { tempDir } from '../../test/temp-dir.js';

/** Lengths around the one that fits an entry, and up to a memory page and beyond. */
const text = fc.oneof(
  fc.string({ maxLength: 14 }),
  fc.string({ unit: 'binary', maxLength: 14 }),
  fc.string({ minLength: 10, maxLength: 80 }),
  fc.nat(6).map((n) => 'x'.repeat(1_000 * n)),
  fc.constantFrom(
    '',
    '\ufeff',
    'twelve bytes',
    'thirteen byte',
    'ä'.repeat(6),
    'ä'.repeat(7),
    '😀'.repeat(3),
  ),
);
const texts = fc.array(fc.option(text, { freq: 8 }), { minLength: 1, maxLength: 300 });

test('a column is read text by text as DuckDB holds it: plain, from a dictionary, filtered, with nulls', async () => {
  const dir = tempDir('text-column');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const column = new TextColumn();
  let seen: string[] = [];
  const read = (_info: unknown, chunk: DuckDBDataChunk, output: { flush(): void }): void => {
    column.read(textsIn(chunk, 0));
    for (let row = 0; row < chunk.rowCount; row++) {
      assert.deepEqual(Buffer.from(column.utf8(row)).toString(), column.text(row));
      seen.push(column.text(row));
    }
    output.flush();
  };
  const take = { parameterTypes: [VARCHAR], returnType: BOOLEAN, mainFunction: read } as const;
  connection.registerScalarFunction(
    DuckDBScalarFunction.create({ ...take, name: 'take_rows', volatile: true, specialHandling: true }),
  );
  connection.registerScalarFunction(DuckDBScalarFunction.create({ ...take, name: 'take_texts' }));
  let file = 0;
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 30 }), async (distinct, times) => {
      const rows = Array.from(
        { length: distinct.length * times },
        (_, i) => distinct[(i * 7) % distinct.length],
      );
      await connection.run('create or replace temp table t (i integer, s varchar)');
      const appender = await connection.createAppender('t');
      rows.forEach((each, i) => {
        appender.appendInteger(i);
        if (each === null || each === undefined) appender.appendNull();
        else appender.appendVarchar(each);
        appender.endRow();
      });
      appender.closeSync();
      const path = join(dir, `${file++}.parquet`);
      await connection.run(`copy (from t order by i) to ${sqlText(path)} (format parquet)`);
      const expected = rows.map((each) => each ?? '');
      for (const source of ['t', `read_parquet(${sqlText(path)})`]) {
        seen = [];
        await connection.run(`select count(take_rows(s)) from (from ${source} order by i)`);
        assert.deepEqual(seen, expected);
        seen = [];
        await connection.run(`select count(take_rows(s)) from ${source} where i % 3 = 1`);
        assert.deepEqual(seen.toSorted(), expected.filter((_, i) => i % 3 === 1).toSorted());
        seen = [];
        await connection.run(`select count(take_texts(s)) from ${source}`);
        const all = new Set(seen);
        for (const each of expected) assert.ok(all.has(each), JSON.stringify(each));
      }
    }),
    { numRuns: 40 },
  );
});
