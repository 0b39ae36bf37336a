/** Writes rejected lines to a file, one JSON object per line. Creates it at the first line, and keeps the first few lines to show them. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../lib/time/clock.js';
import { cutToBytes } from '../facts/cut-to-bytes.js';
import { roomOf } from '../lib/files/data-dir.js';
import { SwaError, isFullDisk, systemCode } from '../lib/errors/errors.js';
import type { RejectedLine } from './import.js';

const shown = 5;

export class RejectFile {
  readonly path: string | undefined;
  readonly first: RejectedLine[] = [];
  count = 0;
  #fd: number | undefined;

  /** @param path without a path, lines are only counted and the first ones kept */
  constructor(path: string | undefined) {
    this.path = path;
  }

  /** Throws `import.failed` if the file cannot be written; retryable if the disk is full. */
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
        retryable: isFullDisk(cause),
      });
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** File names may have 255 bytes; this leaves room for the time and the extension. */
const maxNameBytes = 200;

/** Default path for the rejected lines of an import: a new name in the data directory. */
export function defaultRejectPath(dataDir: string, importedPath: string, clock: Clock): string {
  const stamp = new Date(clock()).toISOString().replace(/[:.]/g, '-');
  const name = importedPath === '-' ? 'stdin' : basename(importedPath);
  return join(roomOf(dataDir, 'rejected'), `${cutToBytes(name, maxNameBytes)}-${stamp}.ndjson`);
}
