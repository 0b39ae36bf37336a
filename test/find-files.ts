/**
 * Where the compiled tests are: every dist folder's `test` folders, in a stable order. The name of a test says when it runs: `x.test.ts` with
 * `npm test`; `x.whole.test.ts`, which takes the whole system, a program besides Node or minutes, with `npm run test:whole`.
 */
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../lib/files/assets.js';

/** Absolute paths of all `*.test.js` whose source is there: a build leaves the output of a source that was moved. */
export function testFiles(): string[] {
  const roots = [projectRoot, join(projectRoot, 'hyperloglog-ts')];
  return roots.flatMap((root) =>
    readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js') && existsSync(join(root, name.replace(/js$/, 'ts'))))
      .map((name) => join(root, 'dist', name))
      .toSorted(),
  );
}

export function isWhole(file: string): boolean {
  return file.endsWith('.whole.test.js');
}

/** Test files run at once. */
export function testConcurrency(): number {
  return Math.min(2, availableParallelism());
}
