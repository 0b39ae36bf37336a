/** The documents speak of files and problems that exist, and are complete where they say so. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { assetPath, assetText } from '../lib/files/assets.js';
import { errorCodes } from '../lib/errors/errors.js';
import { dimensions } from '../facts/subjects.js';
import { topologyErrorCodes } from '../topology/errors.js';
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

test('ARCHITECTURE opens with the chapter in nine files, each short', () => {
  const text = assetText('ARCHITECTURE.md');
  const [, first = ''] = text.split('\n## ');
  assert.match(first, /^The chapter in nine files/);
  const files = [...first.matchAll(/\]\(((?!docs\/)[\w/.-]+)\) \|$/gm)].map((match) => match[1] ?? '');
  assert.equal(files.length, 9);
  for (const file of files) assert.ok(assetText(file).split('\n').length <= 200, `${file} is too long`);
});

test('the page on errors lists every code with what to do about it, and no other', () => {
  const rows = assetText('docs/errors.md').matchAll(/^\| `([a-z-]+\.[a-z-]+)` +\| \S.*\| \S.*\|$/gm);
  assert.deepEqual(
    new Set([...rows].map((match) => match[1])),
    new Set<string | undefined>([...errorCodes, ...topologyErrorCodes]),
  );
});

test('every error code is thrown somewhere', () => {
  const rooms = [
    'lib',
    'log',
    'facts',
    'master-data',
    'batch',
    'serving',
    'speed',
    'query',
    'ingest',
    'ways-in',
    'cluster',
    'cli',
  ];
  const sources = rooms.flatMap((dir) =>
    readdirSync(assetPath(dir), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('test/') && name !== 'errors/errors.ts')
      .map((name) => assetText(`${dir}/${name}`)),
  );
  const text = sources.join();
  assert.deepEqual(
    errorCodes.filter((code) => !text.includes(`'${code}'`)),
    [],
  );
});

test('the API page lists every problem with its status, and no other', () => {
  const rows = assetText('docs/api.md').matchAll(/^\| `(urn:swa:problem:[\w-]+)` \| (\d+) \|/gm);
  assert.deepEqual(
    [...rows].map(([, type, status]) => [type, Number(status)]),
    problemNames.map((name) => [problemType(name), problemStatus(name)]),
  );
});

test('the API page lists every dimension, and no other', () => {
  const [, section = ''] = assetText('docs/api.md').split('\n## Breakdown\n');
  const [table = ''] = section.split('```');
  assert.deepEqual(
    [...table.matchAll(/^\| `([a-z]+)` \| \S.*\|$/gm)].map((match) => match[1]),
    dimensions.map(({ name }) => name),
  );
});

test('every problem is thrown somewhere', () => {
  const sources = ['lib/http', 'query', 'ingest'].flatMap((dir) =>
    readdirSync(assetPath(dir), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('test'))
      .map((name) => assetText(`${dir}/${name}`)),
  );
  const thrown = [...sources.join().matchAll(/new HttpProblem\(\s*'([\w-]+)'/g)].map((match) => match[1]);
  assert.deepEqual(
    problemNames.filter((name) => !thrown.includes(name)),
    [],
  );
});

test('operations speaks of configuration keys that exist', () => {
  const known = new Set<string>(Object.values(keys).map((key) => key.env));
  const named = [...assetText('docs/operations.md').matchAll(/SWA_[A-Z_]+/g)].map((match) => match[0]);
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
});

test('operations speaks of metrics, and of numbers of roles, that exist', () => {
  const page = assetText('docs/operations.md');
  const sources = ['query', 'ingest', 'log', 'master-data', 'batch', 'serving', 'speed', 'topology']
    .flatMap((dir) =>
      readdirSync(assetPath(dir), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.includes('test/'))
        .map((name) => assetText(`${dir}/${name}`)),
    )
    .join('\n');
  const metrics = [...page.matchAll(/\bswa_[a-z_]+/g)].map(([name]) =>
    name.replace(/_(count|bucket|sum)$/, ''),
  );
  assert.ok(metrics.length > 10);
  assert.deepEqual(
    metrics.filter((name) => !sources.includes(`'${name}'`)),
    [],
  );
  const numbers = [...page.matchAll(/\bname="(\w+)"/g)].map((match) => match[1] ?? '');
  assert.ok(numbers.length > 3);
  assert.deepEqual(
    numbers.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources)),
    [],
  );
});

test('the tests that operations names are there', () => {
  const named = [...assetText('docs/operations.md').matchAll(/`([\w/-]+(?:\.whole)?\.test\.ts)`/g)];
  assert.ok(named.length > 2);
  assert.deepEqual(
    named.map((match) => match[1] ?? '').filter((name) => !existsSync(assetPath(name))),
    [],
  );
});
