/**
 * The facts of one master file in numbers: Parquet that any engine reads, laid out so that ours needs none. Columns are
 * integers, plain and uncompressed, one page for each row group, so the values of a column lie in the file one behind the
 * other. DuckDB writes it; when a file is sealed, it is checked that the values lie where they are taken to.
 */
import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { DuckDBConnection } from '@duckdb/node-api';
import { assetText } from '../../lib/assets.js';
import { SwaError } from '../../lib/errors.js';
import type { Topic } from '../../lib/log/log.js';
import { sqlParquet, sqlText } from '../duckdb.js';
import { sqlFacts } from '../schema.js';
import type { SnapshotFile } from '../snapshot.js';
import { readExactly, type AppendSeal } from './append-file.js';
import type { StarFile } from './head.js';

/** Rows that a row group has at most: what is read at once. */
export const rowsPerGroup = 1 << 20;

const int = 4;
const long = 8;
/** The columns, in order, and the bytes of a value (sql/<topic>.sql). */
export const starColumns = {
  pageviews: { url: int, visitor: int, agent: int, referrer: int, timestamp: long, event: long },
  equivs: { a: int, b: int, kind: int, event: int, timestamp: long, offset: long },
} as const satisfies Readonly<Record<Topic, Readonly<Record<string, number>>>>;

const layout = `format parquet, parquet_version v1, compression uncompressed, dictionary_size_limit 0, row_group_size ${rowsPerGroup}`;

export type WrittenFacts = Pick<StarFile, 'groups' | keyof AppendSeal>;

/** Makes the file at `path` from a master file, by SQL functions that number texts, and makes it durable. */
export async function writeFacts(connection: DuckDBConnection, of: SnapshotFile, path: string): Promise<WrittenFacts> {
  const select = assetText(`master-data/star/sql/${of.topic}.sql`).replace('{source}', sqlFacts(of.topic, [of.path]));
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
  const [expected = []] = (await connection.runAndReadAll(`select ${xors.join(', ')} from ${sqlParquet(path)}`)).getRows();
  for (const [column, sum] of sums.entries())
    if (BigInt.asIntN(64, BigInt(String(expected[column] ?? 0))) !== BigInt.asIntN(64, sum))
      throw notAsExpected(path, `values of column ${column} lie elsewhere`);
  return { ...sealOf(path), groups };
}

function sealOf(path: string): AppendSeal {
  const bytes = readValues(path, 0, statSync(path).size);
  return { sizeBytes: bytes.length, crc: crc32(bytes) };
}

/** The values of some columns of a row group, in memory of their own. Throws `StarDamaged`. */
export function readGroup<Name extends string>(
  path: string,
  topic: Topic,
  { rows, columns }: StarFile['groups'][number],
  names: readonly Name[],
): Record<Name, Int32Array> {
  const widths = Object.entries(starColumns[topic]);
  return Object.fromEntries(
    names.map((name) => {
      const at = widths.findIndex(([column]) => column === name);
      const bytes = new Uint8Array(rows * (widths[at]?.[1] ?? int));
      const { offset = 0, crc = 0 } = columns[at] ?? {};
      readExactly(path, offset, bytes, crc);
      return [name, new Int32Array(bytes.buffer)];
    }),
  ) as Record<Name, Int32Array>; // each name is there
}

function readValues(path: string, offset: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  readExactly(path, offset, bytes, undefined);
  return bytes;
}

/** As DuckDB's bit_xor: 32-bit values as signed ones. */
function xorOf(bytes: Uint8Array, width: number): bigint {
  const words = new Int32Array(bytes.buffer);
  if (width === int) return BigInt(words.reduce((sum, word) => sum ^ word, 0));
  let [low, high] = [0, 0];
  for (let i = 0; i < words.length; i += 2) {
    low ^= words[i] ?? 0;
    high ^= words[i + 1] ?? 0;
  }
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function notAsExpected(path: string, what: string): SwaError {
  return new SwaError('internal.invariant', `DuckDB did not lay ${path} out as the star is read: ${what}`);
}
