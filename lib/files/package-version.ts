/**
 * The project's version and those of installed packages (data derived from a package's lists changes with its version).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { assetText } from './assets.js';

const require = createRequire(import.meta.url);
const schema = z.object({ version: z.string() });

/** Returns a package's installed version. @param name a direct dependency that exports its package.json */
export function versionOf(name: string): string {
  return schema.parse(JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8'))).version;
}

/** Returns the project's version. */
export function projectVersion(): string {
  return schema.parse(JSON.parse(assetText('package.json'))).version;
}
