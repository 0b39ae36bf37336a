/** Where the compiled tests are: every dist folder's `test` folders, in a stable order. */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../lib/files/assets.js';

/** Absolute paths of all `*.test.js`. */
export function testFiles(): string[] {
  const roots = [join(projectRoot, 'dist'), join(projectRoot, 'hyperloglog-ts', 'dist')];
  return roots.flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => join(root, name))
      .toSorted(),
  );
}

/** Test files run at once. */
export function testConcurrency(): number {
  return Math.min(2, availableParallelism());
}
