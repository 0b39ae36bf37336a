/**
 * The secret of a data directory: 32 random bytes, made once, for its owner alone (0600), and in every backup. What must not be undone by guessing is hashed
 * with a key made of it: the addresses of visitors, lines of logs that hold some, and erased ids.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SwaError } from '../errors/errors.js';
import { createFile } from './durable.js';
import { readIfThere } from './read-if-there.js';

export function secretPath(dataDir: string): string {
  return join(dataDir, 'secret');
}

/** Makes the secret unless there is one. */
export function createSecret(dataDir: string): void {
  createFile(secretPath(dataDir), `${randomBytes(32).toString('hex')}\n`);
}

/** The key for one purpose, in hexadecimal; undefined where the directory has no secret. Throws `data-dir.unusable` when it is damaged. */
export function secretFor(purpose: string, dataDir: string): string | undefined {
  const text = readIfThere(secretPath(dataDir))?.trimEnd();
  if (text === undefined) return undefined;
  if (!/^[0-9a-f]{64}$/.test(text)) throw unusableSecret(dataDir, 'is damaged');
  return createHmac('sha256', Buffer.from(text, 'hex')).update(purpose).digest('hex');
}

export function unusableSecret(dataDir: string, what: string): SwaError {
  return new SwaError('data-dir.unusable', `${secretPath(dataDir)} ${what}`, {
    hint: 'restore this one file from a backup: with another secret every visitor of the imported logs would be a new one',
  });
}
