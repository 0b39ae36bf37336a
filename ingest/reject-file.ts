/** The file of rejected lines, one JSON object a line, made when the first one comes; the first few are kept to be shown. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../lib/time/clock.js';
import { cutToBytes } from '../facts/cut-to-bytes.js';
import { roomOf } from '../lib/files/data-dir.js';
import { SwaError, systemCode } from '../lib/errors/errors.js';
import type { RejectedLine } from './import.js';

const shown = 5;

export class RejectFile {
  readonly path: string | undefined;
  readonly first: RejectedLine[] = [];
  count = 0;
  #fd: number | undefined;

  /** @param path without one, lines are only counted and the first ones kept */
  constructor(path: string | undefined) {
    this.path = path;
  }

  /** Throws `import.failed` when the file cannot be written; retryable when the disk is full. */
  add(line: RejectedLine): void {
    this.count++;
    if (this.first.length < shown) this.first.push(line);
    if (this.path === undefined) return;
    try {
      this.#fd ??= openSync(this.path, 'w');
      writeSync(this.#fd, `${JSON.stringify(line)}\n`);
    } catch (cause) {
      const code = systemCode(cause);
      throw new SwaError('import.failed', `cannot write rejected lines to '${this.path}' (${code})`, {
        cause,
        retryable: code === 'ENOSPC' || code === 'EDQUOT',
      });
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** File names have 255 bytes; there is room for the time behind these. */
const maxNameBytes = 200;

/** Where the rejects of an import go unless someone says otherwise: a name of its own in the data directory. */
export function defaultRejectPath(dataDir: string, importedPath: string, clock: Clock): string {
  const stamp = new Date(clock()).toISOString().replace(/[:.]/g, '-');
  const name = importedPath === '-' ? 'stdin' : basename(importedPath);
  return join(roomOf(dataDir, 'rejected'), `${cutToBytes(name, maxNameBytes)}-${stamp}.ndjson`);
}
