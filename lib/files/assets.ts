/** Files that are read at run time but not compiled (SQL, the page, package.json) live in the source tree. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root: this module runs as dist/lib/files/assets.js. */
export const projectRoot: string = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** Absolute path of an asset, named from the project's root ('batch/sql/urls.sql'). */
export function assetPath(name: string): string {
  return join(projectRoot, name);
}

/** The text of an asset. */
export function assetText(name: string): string {
  return readFileSync(assetPath(name), 'utf8');
}
