/** SQL and JavaScript recognise the same placeholders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DuckDBInstance, listValue } from '@duckdb/node-api';
import fc from 'fast-check';
import { isPlaceholderId, placeholderPattern } from '../../facts/placeholders.js';
import { idTexts } from '../../facts/test/id-texts.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test('DuckDB finds the placeholders that JavaScript finds', async (t) => {
  t.diagnostic(`SEED=${seed}`);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  t.after(() => {
    connection.closeSync();
    instance.closeSync();
  });
  const texts = [...new Set(fc.sample(idTexts, { seed, numRuns: 20_000 }))];
  const result = await connection.runAndReadAll(
    'select place from (select unnest($2) as id, generate_subscripts($2, 1) as place) where regexp_matches(id, $1)',
    [placeholderPattern, listValue(texts)],
  );
  const found = new Set(result.getRows().map(([place]) => texts[Number(place) - 1]));
  const expected = new Set(texts.filter(isPlaceholderId));
  assert.ok(expected.size > 1_000, `only ${expected.size} placeholders`);
  assert.deepEqual(
    texts.filter((text) => found.has(text) !== expected.has(text)),
    [],
  );
});
