/** Reads the sealed JSON files of the master dataset (lib/files/sealed.ts). */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { SwaError } from '../lib/errors/errors.js';
import { unsealLine, type Sealed } from '../lib/files/sealed.js';

/** Hint for all errors about missing or damaged files of the master dataset. */
export const recoverHint =
  'restore the file from a backup, or stop the sink and run `swa recover` to see what can be recreated';

/** Reads and checks a sealed file. Throws `master.corrupt`; a missing file throws Node's ENOENT. */
export function readSealed<T>(path: string, schema: z.ZodType<T>): Sealed<T> {
  const sealed = unsealLine(readFileSync(path, 'utf8'));
  if (sealed === undefined) {
    throw new SwaError('master.corrupt', `${path} is damaged: its hash does not match its content`, {
      hint: recoverHint,
    });
  }
  const parsed = schema.safeParse(parseJson(sealed.body));
  if (!parsed.success) {
    throw new SwaError('master.corrupt', `${path} cannot be read by this version: ${parsed.error.message}`, {
      hint: recoverHint,
    });
  }
  return { body: parsed.data, sha256: sealed.sha256 };
}

/** Returns undefined if the text is not JSON; no schema accepts undefined. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
