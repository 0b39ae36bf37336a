/** A file that may not be there, or not any more: its absence is an answer, not an error. */
import { readFileSync } from 'node:fs';
import { systemCode } from '../errors/errors.js';

/** The text of a file, or undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
