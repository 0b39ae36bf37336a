/**
 * Reads the texts of a VARCHAR column as UTF-8 into one array, a whole vector at a time: reading them one by one
 * through DuckDB's client costs twenty times as much.
 *
 * A vector has an entry of 16 bytes per row: the text's length, and the text itself if it has at most 12 bytes, or else
 * a pointer to it. Texts that were read or created together are adjacent in DuckDB's memory, so one copy fetches
 * hundreds. Bytes between two texts are copied too if they are less than a memory page apart: both ends are readable,
 * so everything between them is.
 */
import { grown } from '../../lib/memory/grown.js';
import type { TextSpans } from '../../lib/memory/keyed-hash.js';

export const entryBytes = 16;
const entryWords = 4;
const inlineBytes = 12;
/** The smallest memory page of all supported machines. */
const pageBytes = 4096;

/** Rows whose texts are close together in memory: from `firstRow` to the current row, exclusive. */
interface Run {
  readonly firstRow: number;
  /** Address of the first text in DuckDB's memory, the row it belongs to, and the end address of the last one. */
  from: number;
  fromRow: number;
  to: number;
}

/** A VARCHAR vector of DuckDB, as views of its memory. */
export interface TextVector {
  readonly rows: number;
  /** `entryBytes` for each row. */
  readonly entries: Uint8Array;
  /** One bit per row, set if it is not null; undefined if no row is null. */
  readonly validity: Uint8Array | undefined;
  /** Returns the bytes at the pointer stored at byte `at` of the entries. */
  pointedAt(at: number, sizeBytes: number): Uint8Array;
}

export class TextColumn implements TextSpans {
  /** The UTF-8 of row i is `bytes[starts[i], ends[i])`, valid until the next `read`. Null becomes an empty text. */
  bytes: Uint8Array = new Uint8Array(2 ** 16);
  sizeBytes = 0;
  starts = new Uint32Array(0);
  ends = new Uint32Array(0);
  /** Number of rows read. */
  count = 0;
  #pointers = new Float64Array(0);

  read(vector: TextVector): void {
    const { rows, entries, validity } = vector;
    this.count = rows;
    this.sizeBytes = 0;
    if (this.starts.length < rows) {
      this.starts = new Uint32Array(rows);
      this.ends = new Uint32Array(rows);
      this.#pointers = new Float64Array(rows);
    }
    const words = new Uint32Array(entries.buffer, entries.byteOffset, entryWords * rows);
    let run: Run | undefined;
    for (let row = 0; row < rows; row++) {
      const at = entryWords * row;
      const isNull = validity !== undefined && ((validity[row >>> 3] >>> (row & 7)) & 1) === 0;
      const length = isNull ? 0 : words[at];
      if (length <= inlineBytes) {
        this.#pointers[row] = 0;
        this.#copyInline(entries, row, length);
        continue;
      }
      const pointer = words[at + 3] * 2 ** 32 + words[at + 2];
      this.#pointers[row] = pointer;
      this.ends[row] = length; // until the run is copied
      if (run === undefined || pointer < run.from - pageBytes || pointer >= run.to + pageBytes) {
        if (run !== undefined) this.#copyRun(vector, run, row);
        run = { firstRow: row, from: pointer, fromRow: row, to: pointer + length };
        continue;
      }
      if (pointer < run.from) {
        run.from = pointer;
        run.fromRow = row;
      }
      run.to = Math.max(run.to, pointer + length);
    }
    if (run !== undefined) this.#copyRun(vector, run, rows);
  }

  text(row: number): string {
    const { buffer, byteOffset } = this.bytes;
    return Buffer.from(buffer, byteOffset, this.bytes.length).toString(
      'utf8',
      this.starts[row],
      this.ends[row],
    );
  }

  /** Valid until the next `read`. */
  utf8(row: number): Uint8Array {
    return this.bytes.subarray(this.starts[row], this.ends[row]);
  }

  #copyInline(entries: Uint8Array, row: number, length: number): void {
    this.#reserve(length);
    const from = entryBytes * row + 4;
    for (let i = 0; i < length; i++) this.bytes[this.sizeBytes + i] = entries[from + i];
    this.starts[row] = this.sizeBytes;
    this.sizeBytes += length;
    this.ends[row] = this.sizeBytes;
  }

  #copyRun(vector: TextVector, { firstRow, from, fromRow, to }: Run, endRow: number): void {
    const size = to - from;
    this.#reserve(size);
    this.bytes.set(vector.pointedAt(entryBytes * fromRow + 8, size), this.sizeBytes);
    for (let row = firstRow; row < endRow; row++) {
      const pointer = this.#pointers[row];
      if (pointer === 0) continue;
      const start = this.sizeBytes + pointer - from;
      this.starts[row] = start;
      this.ends[row] = start + this.ends[row];
    }
    this.sizeBytes += size;
  }

  #reserve(more: number): void {
    const needed = this.sizeBytes + more;
    if (needed > this.bytes.length) this.bytes = grown(this.bytes, needed);
  }
}
