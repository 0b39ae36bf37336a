/** The names of test files keep their promise: `npm test` starts no whole system and no program that a machine may not have. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { assetText, projectRoot } from '../lib/files/assets.js';
import { isWhole, testFiles } from './find-files.js';

/** Modules that start a whole system, a broker, a browser, an object store, or mount a disk. */
const starters = [
  'test/running-system.ts',
  'test/kafka/broker.ts',
  'test/browser.ts',
  'test/s3/servers.ts',
  'test/small-disk.ts',
  'test/faults/system-under-test.ts',
  'test/planted-faults/copied-project.ts',
];

/** Sources that a source imports, those of tests and all others, by their path in the project. */
function importsOf(source: string): string[] {
  return [...assetText(source).matchAll(/^(?:import|export|\} from) .*?'(\.{1,2}\/[^']+)\.js';$/gm)].map(
    ([, target = '']) => join(dirname(source), `${target}.ts`),
  );
}

/** The starter that a source leads to, if any. */
function starterOf(source: string, seen = new Set<string>()): string | undefined {
  if (starters.includes(source)) return source;
  if (seen.has(source) || !existsSync(join(projectRoot, source))) return undefined;
  seen.add(source);
  for (const next of importsOf(source)) {
    const starter = starterOf(next, seen);
    if (starter !== undefined) return starter;
  }
  return undefined;
}

const sourceOf = (file: string): string =>
  relative(projectRoot, file)
    .replace(/(^|\/)dist\//, '$1')
    .replace(/js$/, 'ts');

test('a test whose short form is not all of it is run in full by `npm run test:long`', () => {
  const { scripts } = JSON.parse(assetText('package.json')) as { scripts: Record<string, string> };
  const words = scripts['test:long']?.split('run.js ')[1]?.split(' ') ?? [];
  const shortened = testFiles()
    .map(sourceOf)
    .filter((source) => importsOf(source).includes('test/rounds.ts'));
  assert.ok(shortened.length > 5);
  assert.deepEqual(
    shortened.filter((source) => !words.some((word) => source.includes(word))),
    [],
  );
});

test('a test that starts a whole system or another program is called .whole.test.ts', () => {
  const wrong = testFiles()
    .filter((file) => !isWhole(file))
    .map(sourceOf)
    .flatMap((source) => {
      const starter = starterOf(source);
      return starter === undefined ? [] : [`${source} imports ${starter}`];
    });
  assert.deepEqual(wrong, []);
});
