/** Writes a file of cells front to back through a buffer, hashed on the way, durable after `close`. */
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { fsyncLargeFile, writeFully } from '../lib/files/durable.js';
import type { Block } from './block-builder.js';
import type { FileSeal } from './meta.js';

const bufferBytes = 4 * 1024 * 1024;
/** What is shorter is gathered in the buffer first. */
const copiedBytes = 256 * 1024;

/** Where a subject's block lies in its file. */
export interface BlockPlace {
  readonly pageviews: number;
  readonly offset: number;
  readonly length: number;
  readonly tableLength: number;
}

export class CellFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  readonly #buffer = new Uint8Array(bufferBytes);
  #buffered = 0;
  #written = 0;
  #open = true;

  /** `path` must not exist. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'wx');
  }

  append(block: Block): BlockPlace {
    const offset = this.#written + this.#buffered;
    this.write(block.bytes);
    const { pageviews, tableLength } = block;
    return { pageviews, offset, length: block.bytes.length, tableLength };
  }

  /** Blocks that were built elsewhere, one after the other. */
  write(bytes: Uint8Array): void {
    const isLong = bytes.length >= copiedBytes;
    if (isLong || this.#buffered + bytes.length > this.#buffer.length) this.#flush();
    if (isLong) {
      this.#writeOut(bytes);
    } else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  /** Makes the file durable. Nothing can be added any more. */
  async close(): Promise<FileSeal> {
    this.#flush();
    this.abandon();
    await fsyncLargeFile(this.#path);
    return { name: basename(this.#path), sizeBytes: this.#written, sha256: this.#hash.digest('hex') };
  }

  /** Closes the file, finished or not. */
  abandon(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  #flush(): void {
    this.#writeOut(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #writeOut(bytes: Uint8Array): void {
    writeFully(this.#fd, bytes, this.#written);
    this.#hash.update(bytes);
    this.#written += bytes.length;
  }
}
