/** Reads the sealed JSON files of the master dataset (lib/files/sealed.ts). */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { SwaError } from '../lib/errors.js';
import { unsealLine, type Sealed } from '../lib/files/sealed.js';

/** Reads and checks such a file. Throws `master.corrupt`; a missing file throws Node's ENOENT. */
export function readSealed<T>(path: string, schema: z.ZodType<T>): Sealed<T> {
  const sealed = unsealLine(readFileSync(path, 'utf8'));
  if (sealed === undefined) {
    throw new SwaError('master.corrupt', `${path} is damaged: its content does not have the hash it names`, {
      hint: 'restore this file from a copy; the facts behind it may still be in the log',
    });
  }
  const parsed = schema.safeParse(JSON.parse(sealed.body));
  if (!parsed.success) {
    throw new SwaError('master.corrupt', `${path} is not a file of this version: ${parsed.error.message}`);
  }
  return { body: parsed.data, sha256: sealed.sha256 };
}
