/**
 * Columns of a DuckDB chunk as typed arrays over DuckDB's own memory, valid as long as the chunk. They use the bindings
 * below node-api: its vectors cost twice as much per column, and reading values one by one creates a BigInt for each.
 */
import { DuckDBBlobValue, type DuckDBDataChunk, type DuckDBVector } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { entryBytes, type TextVector } from './arrays/text-column.js';

/**
 * Returns a BIGINT or UBIGINT column as pairs of words, the low one first (all supported machines are little-endian).
 */
export function words(chunk: DuckDBDataChunk, index: number): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytesOfColumn(chunk, index, 8);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Returns an INTEGER column. */
export function integers(chunk: DuckDBDataChunk, index: number): Int32Array {
  const { buffer, byteOffset, byteLength } = bytesOfColumn(chunk, index, 4);
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

/** Returns the rows of an INTEGER vector for writing; flush the vector afterwards. */
export function integersOf(vector: DuckDBVector): Int32Array {
  const items: unknown = Reflect.get(vector, 'items');
  if (items instanceof Int32Array) return items;
  throw new TypeError(`a vector of ${vector.type.toString()} has no integers to write`);
}

/** Returns the bytes of a BOOLEAN vector for writing; flush the vector afterwards. */
export function booleans(vector: DuckDBVector): Uint8Array {
  return bytesOf(vector);
}

/**
 * Returns the text of a row that holds its UTF-8, as SQL's encode(text) returns it. A VARCHAR would lose a leading
 * U+FEFF.
 */
export function textIn(vector: DuckDBVector, row: number): string {
  const text = optionalTextIn(vector, row);
  if (text === undefined) throw new TypeError('a text column holds null');
  return text;
}

/** Like `textIn`; undefined for null. */
export function optionalTextIn(vector: DuckDBVector, row: number): string | undefined {
  const value = vector.getItem(row);
  if (value === null) return undefined;
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('utf8');
  throw new TypeError(`a column holds ${typeof value} where text bytes are expected`);
}

function bytesOf(vector: DuckDBVector): Uint8Array {
  const view: unknown = Reflect.get(vector, 'dataView');
  if (view instanceof DataView) return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  throw new TypeError(`a vector of ${vector.type.toString()} has no bytes to read`);
}

/** Returns the bytes of a column whose rows take `width` bytes each. */
function bytesOfColumn({ chunk }: DuckDBDataChunk, index: number, width: number): Uint8Array {
  return duckdb.vector_get_data(
    duckdb.data_chunk_get_vector(chunk, index),
    width * duckdb.data_chunk_get_size(chunk),
  );
}

/** Returns a VARCHAR column. */
export function texts({ chunk, rowCount }: DuckDBDataChunk, index: number): TextVector {
  const vector = duckdb.data_chunk_get_vector(chunk, index);
  const entries = duckdb.vector_get_data(vector, entryBytes * rowCount);
  const validity: Uint8Array | null = duckdb.vector_get_validity(vector, 8 * Math.ceil(rowCount / 64));
  return {
    rows: rowCount,
    entries,
    validity: validity ?? undefined,
    pointedAt: (at, sizeBytes) => {
      const { buffer, byteOffset } = entries;
      if (!(buffer instanceof ArrayBuffer)) throw new TypeError('a vector of DuckDB lies in shared memory');
      return duckdb.get_data_from_pointer(buffer, byteOffset + at, sizeBytes);
    },
  };
}
