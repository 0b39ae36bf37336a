/** The version of the bot list in use, as installed: the rule's results change with it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { z } from 'zod';

const require = createRequire(import.meta.url);

export const version: string = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(require.resolve('isbot/package.json'), 'utf8'))).version;
