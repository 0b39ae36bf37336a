/** Versions: our own, and those of packages as they are installed (what rests on their lists changes with them). */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { assetText } from './assets.js';

const require = createRequire(import.meta.url);
const schema = z.object({ version: z.string() });

/** @param name of a direct dependency that lets its package.json be read */
export function versionOf(name: string): string {
  return schema.parse(JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8'))).version;
}

/** Our own. */
export function projectVersion(): string {
  return schema.parse(JSON.parse(assetText('package.json'))).version;
}
