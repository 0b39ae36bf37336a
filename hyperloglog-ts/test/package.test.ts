// The content of the package made by `npm pack`: everything its own files refer to, and nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const text = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
const manifest: { scripts: Record<string, string>; exports: { '.': Record<string, string> } } = JSON.parse(
  text('package.json'),
);

function packed(): string[] {
  // The compiled files exist, or this test would not run.
  const command = ['pack', '--dry-run', '--json', '--offline', '--ignore-scripts'];
  const output = execFileSync('npm', command, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }]: [{ files: { path: string }[] }] = JSON.parse(output);
  return files.map(({ path }) => path).toSorted();
}

test('the package holds the source, what is compiled of it, README and license, and nothing else', () => {
  const sources = readdirSync(`${root}src`);
  const compiled = sources
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => ['.js', '.js.map', '.d.ts'].map((ending) => name.replace(/\.ts$/, ending)));
  const expected = [
    'LICENSE',
    'README.md',
    'package.json',
    ...sources.map((name) => `src/${name}`),
    ...compiled.map((name) => `dist/src/${name}`),
  ];
  const files = packed();
  assert.deepEqual(files, expected.toSorted());
  for (const path of Object.values(manifest.exports['.']))
    assert.ok(files.includes(posix.normalize(path)), path);
});

test('the package is built before it is packed, from whatever checkout', () => {
  assert.equal(manifest.scripts['prepack'], manifest.scripts['build']);
});

test('source maps and README lead to files of the package', () => {
  const files = packed();
  for (const map of files.filter((path) => path.endsWith('.js.map'))) {
    const { sources }: { sources: string[] } = JSON.parse(text(map));
    for (const source of sources)
      assert.ok(files.includes(posix.join(posix.dirname(map), source)), `${map}: ${source}`);
  }
  const readme = text('README.md');
  const paths = [...readme.matchAll(/`((?:src|dist|test|bench|tools)\/[^`]*)`|\]\((?!https?:|#)([^)]*)\)/g)];
  assert.ok(paths.length > 10, `${paths.length} paths in README.md`);
  for (const [, code, link] of paths) assert.ok(files.includes(code ?? link ?? ''), code ?? link);
});

test('the license is that of the project', () => {
  assert.equal(text('LICENSE'), text('../LICENSE'));
});
