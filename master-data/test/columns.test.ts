import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

test('columns are read by the bindings that node-api itself uses: two versions would be two DuckDBs', () => {
  const ours = createRequire(import.meta.url);
  const theirs = createRequire(ours.resolve('@duckdb/node-api'));
  assert.equal(theirs.resolve('@duckdb/node-bindings'), ours.resolve('@duckdb/node-bindings'));
});
