/** Writes a cell file, block after block. */
import type { Block } from './arrays/block-builder.js';
import { blockHasher, type WrittenBlock } from './arrays/written-block.js';
import { CheckedWriter } from './checked-file.js';

/** Appends finished blocks unchanged. */
export class CellFile extends CheckedWriter {
  readonly #hasher = blockHasher();

  append({ bytes, tableLength, pageviews }: Block): WrittenBlock {
    const offset = this.position;
    this.write(bytes);
    this.#hasher.bytes(bytes);
    return { pageviews, offset, length: bytes.length, tableLength, hash: this.#hasher.words.slice() };
  }
}
