import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../files/assets.js';
import { isKept, moveAside, removeReplaced, removeScratch } from '../files/removal.js';
import { tempDir } from '../../test/temp-dir.js';

/** The modules that may call functions that remove, rename or truncate files, and why. */
const allowed = new Map([
  ['lib/files/removal.ts', 'the one place for facts and views'],
  ['lib/files/durable.ts', 'its own temp files, renamed over notes and pointers'],
  ['lib/files/owner-lock.ts', 'the text in its own lock files'],
]);

const calls = /\b(rm|rmdir|unlink|rename|truncate|ftruncate|copyFile|cp)(Sync)?\b/;

test('no other module removes, renames or cuts files', () => {
  const rooms = [
    'lib',
    'master-data',
    'serving',
    'speed',
    'batch',
    'ingest',
    'query',
    'ways-in',
    'cluster',
    'cli',
  ];
  const sources = rooms
    .flatMap((room) => readdirSync(join(projectRoot, room), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)))
    .filter((path) => !dirname(path).split('/').includes('test'));
  assert.ok(sources.length > 200, `${sources.length} sources`);
  for (const path of sources) {
    const text = readFileSync(join(projectRoot, path), 'utf8');
    for (const [statement, names = ''] of text.matchAll(
      /^import\s+([^;]*?)\s+from\s+'(?:node:)?fs(?:\/promises)?';/gm,
    )) {
      assert.match(names, /^(type )?\{/, `${path}: import from node:fs by name: ${statement}`);
      if (!allowed.has(path)) assert.doesNotMatch(names, calls, `${path}: use lib/files/removal.ts`);
    }
    assert.doesNotMatch(text, /\bimport\('(node:)?fs|require\(/, path);
    if (!allowed.has(path)) assert.doesNotMatch(text, /\.truncate\(/, `${path}: use lib/files/removal.ts`);
  }
});

test('facts and views are not scratch, whatever their folder; the rest is', () => {
  const dir = tempDir('removal');
  const kept = [
    'log/segment-0000000001.log',
    'log/format.json',
    'master/root.json',
    'master/pageviews/p0/manifests/0000000001.json',
    'master/pageviews/p0/0000000000000000-0000000000000001-0123456789abcdef.parquet',
    'serving/CURRENT',
    'serving/views/v000001-0123abcd',
    'serving/views',
    'master/pageviews/p0',
    'master',
    'log',
  ];
  for (const path of kept.map((name) => join(dir, name))) {
    if (!existsSync(path)) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, 'facts');
    }
    assert.throws(() => removeScratch(path), { code: 'internal.invariant' }, path);
    assert.ok(existsSync(path));
  }
  for (const name of [
    'speed/v000001-0123abcd',
    'speed/v000001-0123abcd/pageviews-0',
    'batch/temp',
    'x.tmp',
  ]) {
    mkdirSync(join(dir, name), { recursive: true });
    assert.ok(!isKept(join(dir, name)));
    removeScratch(join(dir, name));
    assert.ok(!existsSync(join(dir, name)), name);
  }
});

test('replaced files are removed only after the proof', () => {
  const dir = tempDir('removal');
  const path = join(dir, 'segment-0000000001.log');
  writeFileSync(path, 'facts');
  assert.throws(() => removeReplaced([path], () => assert.fail('no copy')), /no copy/);
  assert.ok(existsSync(path));
  removeReplaced([path], () => assert.ok(existsSync(path)));
  assert.ok(!existsSync(path));
});

test('a file moved aside keeps its content and replaces no other', () => {
  const dir = tempDir('removal');
  const aside = join(dir, 'aside', 'log');
  for (const text of ['one', 'two', 'three']) {
    writeFileSync(join(dir, 'CURRENT'), text);
    assert.ok(moveAside(join(dir, 'CURRENT'), aside));
  }
  assert.equal(moveAside(join(dir, 'CURRENT'), aside), undefined);
  assert.deepEqual(
    readdirSync(aside).map((name) => readFileSync(join(aside, name), 'utf8')),
    ['one', 'two', 'three'],
  );
});
