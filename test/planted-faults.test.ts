/** The faults that planted-faults.whole.test.ts plants can be planted. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { assetPath, assetText } from '../lib/files/assets.js';
import { allFaults } from './planted-faults/all.js';

test('the text that each planted fault replaces is there once', () => {
  const misses = allFaults.flatMap(({ room, name, edits }) =>
    edits
      .filter(({ file, find }) => assetText(file).split(find).length !== 2)
      .map(({ file }) => `${room}: ${name} (${file})`),
  );
  assert.deepEqual(misses, []);
});

test('the test that must catch it is there', () => {
  const tests = new Set(allFaults.map((fault) => fault.test));
  assert.deepEqual(
    [...tests].filter((file) => !existsSync(assetPath(`${file}.ts`))),
    [],
  );
});
