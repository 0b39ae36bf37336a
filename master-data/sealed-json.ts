/**
 * Small JSON files that know when they were changed: the JSON on the first line, its SHA-256 on the second. A file's own
 * hash catches what a chain of hashes cannot: a flipped bit in its last link.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { SwaError } from '../lib/errors.js';

export interface Sealed<T> {
  readonly body: T;
  /** SHA-256 of the JSON line, lower-case hex: what a successor names. */
  readonly sha256: string;
}

export function seal(body: unknown): { readonly text: string; readonly sha256: string } {
  const json = JSON.stringify(body);
  const hash = sha256Of(json);
  return { text: `${json}\n${hash}\n`, sha256: hash };
}

/** Reads and checks such a file. Throws `master.corrupt`; a missing file throws Node's ENOENT. */
export function readSealed<T>(path: string, schema: z.ZodType<T>): Sealed<T> {
  const text = readFileSync(path, 'utf8');
  const [json = '', hash = '', ...rest] = text.split('\n');
  if (rest.join('') !== '' || sha256Of(json) !== hash || text !== `${json}\n${hash}\n`) {
    throw new SwaError('master.corrupt', `${path} is damaged: its content does not have the hash it names`, {
      hint: 'restore this file from a copy; the facts behind it may still be in the log',
    });
  }
  const parsed = schema.safeParse(JSON.parse(json));
  if (!parsed.success) {
    throw new SwaError('master.corrupt', `${path} is not a file of this version: ${parsed.error.message}`);
  }
  return { body: parsed.data, sha256: hash };
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
