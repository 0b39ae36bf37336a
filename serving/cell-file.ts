/** Writes a file of cells, block after block. */
import type { Block } from './arrays/block-builder.js';
import type { BlockPlace } from './arrays/block-table.js';
import { CheckedWriter } from './checked-file.js';

/** Blocks that were built elsewhere are written as they are, one after the other. */
export class CellFile extends CheckedWriter {
  append({ bytes, tableLength, pageviews }: Block): BlockPlace {
    const offset = this.position;
    this.write(bytes);
    return { pageviews, offset, length: bytes.length, tableLength };
  }
}
