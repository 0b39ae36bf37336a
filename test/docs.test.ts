/** The documents speak of files and problems that exist. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { assetPath, assetText } from '../lib/assets.js';
import { problemNames, problemStatus, problemType } from '../lib/http/problem.js';
import { keys } from '../lib/config/keys.js';

test('every file named by the walk through the book is there', () => {
  const text = assetText('docs/from-the-book.md');
  const named = [...text.matchAll(/`((?:[a-z-]+\/)+[\w.-]*)`/g)].map((match) => match[1] ?? '');
  assert.ok(named.length > 20);
  assert.deepEqual(
    named.filter((path) => !existsSync(assetPath(path))),
    [],
  );
});

test('the API page lists every problem with its status', () => {
  const text = assetText('docs/api.md');
  for (const name of problemNames)
    assert.ok(text.includes(`| \`${problemType(name)}\` | ${problemStatus(name)} |`), name);
});

test('operations speaks of configuration keys that exist', () => {
  const known = new Set<string>(Object.values(keys).map((key) => key.env));
  const named = [...assetText('docs/operations.md').matchAll(/SWA_[A-Z_]+/g)].map((match) => match[0]);
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
});
