/**
 * The secret of a data directory: 32 random bytes, created once, readable by the owner only (0600), and part of every
 * backup. Keys derived from it hash what must not be recovered by guessing: visitors' addresses, log lines that contain
 * them, and erased ids.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SwaError } from '../errors/errors.js';
import { createFile } from './durable.js';
import { readIfThere } from './read-if-there.js';

export function secretPath(dataDir: string): string {
  return join(dataDir, 'secret');
}

/** Creates the secret unless it exists. */
export function createSecret(dataDir: string): void {
  createFile(secretPath(dataDir), `${randomBytes(32).toString('hex')}\n`);
}

/**
 * Derives the key for one purpose, in hexadecimal; undefined if there is no secret. Throws `data-dir.unusable` if it is
 * damaged.
 */
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
