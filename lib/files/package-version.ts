/** The version of a package as it is installed: what rests on its lists changes with it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { z } from 'zod';

const require = createRequire(import.meta.url);
const schema = z.object({ version: z.string() });

/** @param name of a direct dependency that lets its package.json be read */
export function versionOf(name: string): string {
  return schema.parse(JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8'))).version;
}
