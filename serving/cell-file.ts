/** Writes a file of cells, block after block. */
import type { Block } from './arrays/block-builder.js';
import { CheckedWriter } from './checked-file.js';

/** Where a subject's block lies in its file. */
export interface BlockPlace {
  readonly pageviews: number;
  readonly offset: number;
  readonly length: number;
  readonly tableLength: number;
}

/** Blocks that were built elsewhere are written as they are, one after the other. */
export class CellFile extends CheckedWriter {
  append({ bytes, tableLength, pageviews }: Block): BlockPlace {
    const offset = this.position;
    this.write(bytes);
    return { pageviews, offset, length: bytes.length, tableLength };
  }
}
