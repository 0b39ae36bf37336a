/**
 * Finds files that are read at run time but not compiled (SQL, the page, package.json); they stay in the source tree.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root folder; this module runs as dist/lib/files/assets.js. */
export const projectRoot: string = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** Returns the absolute path of an asset, given relative to the project's root ('batch/sql/urls.sql'). */
export function assetPath(name: string): string {
  return join(projectRoot, name);
}

/** Reads an asset as text. */
export function assetText(name: string): string {
  return readFileSync(assetPath(name), 'utf8');
}
