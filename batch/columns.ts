/**
 * Columns of a DuckDB chunk as typed arrays. node-api keeps the array it wraps in a field that its typings call private (`items`, `dataView`);
 * reading values one by one through `getItem` instead costs three times as much, and makes a BigInt of every one.
 */
import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';

/** A BIGINT or UBIGINT column as pairs of words, the low one first (all machines we run on are little-endian). */
export function words(chunk: DuckDBDataChunk, index: number): Uint32Array {
  const items = itemsOf(chunk, index);
  if (items instanceof BigInt64Array || items instanceof BigUint64Array) {
    return new Uint32Array(items.buffer, items.byteOffset, 2 * items.length);
  }
  throw new TypeError(`column ${index} is not of 64 bits`);
}

/**
 * The 16-byte entries of a VARCHAR column: four bytes of length, then the text itself when it has at most 12 bytes.
 * Valid while the chunk is.
 */
export function textEntries(chunk: DuckDBDataChunk, index: number): Uint8Array {
  return bytesOf(chunk.getColumnVector(index));
}

/** The bytes of a BOOLEAN vector, to be written and then flushed. */
export function booleans(vector: DuckDBVector): Uint8Array {
  return bytesOf(vector);
}

/** The text in a row. */
export function textIn(vector: DuckDBVector, row: number): string {
  const value = vector.getItem(row);
  if (typeof value !== 'string') throw new TypeError(`a column holds ${typeof value} where text belongs`);
  return value;
}

function bytesOf(vector: DuckDBVector): Uint8Array {
  const view: unknown = Reflect.get(vector, 'dataView');
  if (view instanceof DataView) return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  throw new TypeError(`a vector of ${vector.type.toString()} has no bytes to read`);
}

function itemsOf(chunk: DuckDBDataChunk, index: number): unknown {
  return Reflect.get(chunk.getColumnVector(index), 'items');
}
