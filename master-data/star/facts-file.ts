/**
 * The facts of one master file as numbers, in a Parquet file that any engine can read and that our code reads without
 * one. Columns are integers, plain and uncompressed, with one page per row group, so the values of a column are
 * contiguous in the file. DuckDB writes it; before it is sealed, the positions of the values are checked.
 */
import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { DuckDBConnection } from '@duckdb/node-api';
import { assetText } from '../../lib/files/assets.js';
import { SwaError } from '../../lib/errors/errors.js';
import { tagsMark } from '../../facts/dimensions/tags.js';
import { sqlParquet, sqlText } from '../duckdb.js';
import { sqlFacts } from '../schema.js';
import type { SnapshotFile } from '../snapshot.js';
import { nothing, readExactly, type AppendSeal } from './append-file.js';
import type { StarFile } from './head.js';
import { int, rowsPerGroup, starColumns } from './read-facts.js';

const layout = `format parquet, parquet_version v1, compression uncompressed, dictionary_size_limit 0, row_group_size ${rowsPerGroup}`;

export type WrittenFacts = Pick<StarFile, 'groups' | keyof AppendSeal>;

/** Writes the file at `path` from a master file, using the SQL functions that number texts, and makes it durable. */
export async function writeFacts(
  connection: DuckDBConnection,
  of: SnapshotFile,
  path: string,
): Promise<WrittenFacts> {
  const holes: Readonly<Record<string, string>> = { source: sqlFacts(of.topic, [of.path]), tagsMark };
  const select = assetText(`master-data/star/sql/${of.topic}.sql`).replace(
    /\{(source|tagsMark)\}/g,
    (_hole, name: string) => holes[name] ?? '',
  );
  await connection.run(`copy (${select}) to ${sqlText(path)} (${layout})`);
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const found = await connection.runAndReadAll(
    `select row_group_num_rows, encodings, cast(data_page_offset + total_compressed_size as double) from parquet_metadata(${sqlText(path)})
     order by row_group_id, column_id`,
  );
  const widths: number[] = Object.values(starColumns[of.topic]);
  const groups: { rows: number; columns: { offset: number; crc: number }[] }[] = [];
  const sums = widths.map(() => 0n);
  for (const [i, [rowsFound, encodings, end]] of found.getRows().entries()) {
    const column = i % widths.length;
    const [rows, width] = [Number(rowsFound), widths[column] ?? int];
    const offset = Number(end) - rows * width;
    if (encodings !== 'PLAIN') throw notAsExpected(path, `column ${column} is ${String(encodings)}`);
    if (column === 0) groups.push({ rows, columns: [] });
    const bytes = readValues(path, offset, rows * width);
    groups.at(-1)?.columns.push({ offset, crc: crc32(bytes) });
    sums[column] = (sums[column] ?? 0n) ^ xorOf(bytes, width);
  }
  const xors = Object.keys(starColumns[of.topic]).map((name) => `bit_xor("${name}")`);
  const [expected = []] = (
    await connection.runAndReadAll(`select ${xors.join(', ')} from ${sqlParquet(path)}`)
  ).getRows();
  for (const [column, sum] of sums.entries())
    if (BigInt.asIntN(64, BigInt(String(expected[column] ?? 0))) !== BigInt.asIntN(64, sum))
      throw notAsExpected(path, `values of column ${column} are not where they are expected`);
  return { ...(of.topic === 'equivs' ? sealOf(path) : nothing), groups };
}

function sealOf(path: string): AppendSeal {
  const bytes = readValues(path, 0, statSync(path).size);
  return { sizeBytes: bytes.length, crc: crc32(bytes) };
}

function readValues(path: string, offset: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  readExactly(path, offset, bytes, undefined);
  return bytes;
}

/** Computes the same as DuckDB's bit_xor, with 32-bit values as signed integers. */
function xorOf(bytes: Uint8Array, width: number): bigint {
  const words = new Int32Array(bytes.buffer);
  const step = width / int;
  let [low, high] = [0, 0];
  for (let i = 0; i < words.length; i += step) {
    low ^= words[i] ?? 0;
    high ^= words[i + step - 1] ?? 0;
  }
  if (width === int) return BigInt(low);
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function notAsExpected(path: string, what: string): SwaError {
  return new SwaError('internal.invariant', `DuckDB wrote ${path} in an unexpected layout: ${what}`);
}
