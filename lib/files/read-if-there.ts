import { readFileSync } from 'node:fs';
import { systemCode } from '../errors/errors.js';

/** Returns the text of a file, or undefined if it does not exist. */
export function readIfThere(path: string): string | undefined {
  return bytesIfThere(path)?.toString('utf8');
}

/** Returns the content of a file, or undefined if it does not exist. */
export function bytesIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
