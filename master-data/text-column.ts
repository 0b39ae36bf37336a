/**
 * The texts of a VARCHAR column as UTF-8 in one array, whole vectors at a time: reading them one by one through DuckDB's
 * client costs twenty times as much.
 *
 * A vector holds an entry of 16 bytes a row: the text's length, and the text itself, when it has at most 12 bytes, or else a
 * pointer to it. Texts that were read or made together lie one behind the other in DuckDB's memory, so one copy brings
 * hundreds. What lies between two of them is copied too, where that is less than a page of memory: both are readable, so
 * all between them is.
 */
import type { DuckDBDataChunk } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { grown } from '../lib/memory/grown.js';
import type { TextSpans } from '../lib/memory/keyed-hash.js';
import { bytesOfColumn } from './columns.js';

const entryBytes = 16;
const entryWords = 4;
const inlineBytes = 12;
/** The smallest page of memory on any machine we run on. */
const pageBytes = 4096;

/** Rows whose texts lie near each other: [firstRow, the present one). */
interface Run {
  readonly firstRow: number;
  /** Where the first of the texts begins in DuckDB's memory, and the row that has it; where the last of them ends. */
  from: number;
  fromRow: number;
  to: number;
}

export class TextColumn implements TextSpans {
  /** The UTF-8 of row i: `bytes[starts[i], ends[i])`, valid until the next `read`. Null is an empty text. */
  bytes: Uint8Array = new Uint8Array(2 ** 16);
  sizeBytes = 0;
  starts = new Uint32Array(0);
  ends = new Uint32Array(0);
  /** Rows read. */
  count = 0;
  #pointers = new Float64Array(0);
  /** Of the vector that is being read. */
  #entries: Uint8Array = new Uint8Array(0);

  /** Reads a column of a chunk. */
  read(chunk: DuckDBDataChunk, index: number): void {
    const rows = chunk.rowCount;
    this.count = rows;
    this.sizeBytes = 0;
    this.#entries = bytesOfColumn(chunk, index, entryBytes);
    if (this.starts.length < rows) {
      this.starts = new Uint32Array(rows);
      this.ends = new Uint32Array(rows);
      this.#pointers = new Float64Array(rows);
    }
    const { buffer, byteOffset } = this.#entries;
    const words = new Uint32Array(buffer, byteOffset, entryWords * rows);
    const validity = validityOf(chunk, index);
    let run: Run | undefined;
    for (let row = 0; row < rows; row++) {
      const at = entryWords * row;
      const isNull = validity !== undefined && (((validity[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 0;
      const length = isNull ? 0 : (words[at] ?? 0);
      if (length <= inlineBytes) {
        this.#pointers[row] = 0;
        this.#copyInline(row, length);
        continue;
      }
      const pointer = (words[at + 3] ?? 0) * 2 ** 32 + (words[at + 2] ?? 0);
      this.#pointers[row] = pointer;
      this.ends[row] = length; // until the run is copied
      if (run === undefined || pointer < run.from - pageBytes || pointer >= run.to + pageBytes) {
        if (run !== undefined) this.#copyRun(run, row);
        run = { firstRow: row, from: pointer, fromRow: row, to: pointer + length };
        continue;
      }
      if (pointer < run.from) {
        run.from = pointer;
        run.fromRow = row;
      }
      run.to = Math.max(run.to, pointer + length);
    }
    if (run !== undefined) this.#copyRun(run, rows);
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

  #copyInline(row: number, length: number): void {
    this.#reserve(length);
    const from = entryBytes * row + 4;
    for (let i = 0; i < length; i++) this.bytes[this.sizeBytes + i] = this.#entries[from + i] ?? 0;
    this.starts[row] = this.sizeBytes;
    this.sizeBytes += length;
    this.ends[row] = this.sizeBytes;
  }

  #copyRun({ firstRow, from, fromRow, to }: Run, endRow: number): void {
    const { buffer, byteOffset } = this.#entries;
    if (!(buffer instanceof ArrayBuffer)) throw new TypeError('a vector of DuckDB lies in shared memory');
    const size = to - from;
    this.#reserve(size);
    this.bytes.set(
      duckdb.get_data_from_pointer(buffer, byteOffset + entryBytes * fromRow + 8, size),
      this.sizeBytes,
    );
    for (let row = firstRow; row < endRow; row++) {
      const pointer = this.#pointers[row] ?? 0;
      if (pointer === 0) continue;
      const start = this.sizeBytes + pointer - from;
      this.starts[row] = start;
      this.ends[row] = start + (this.ends[row] ?? 0);
    }
    this.sizeBytes += size;
  }

  #reserve(more: number): void {
    const needed = this.sizeBytes + more;
    if (needed > this.bytes.length) this.bytes = grown(this.bytes, needed);
  }
}

/** A bit a row, set where it is not null; undefined when no row is. */
function validityOf({ chunk, rowCount }: DuckDBDataChunk, index: number): Uint8Array | undefined {
  const bytes: Uint8Array | null = duckdb.vector_get_validity(
    duckdb.data_chunk_get_vector(chunk, index),
    8 * Math.ceil(rowCount / 64),
  );
  return bytes ?? undefined;
}
