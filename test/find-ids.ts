/**
 * Looks for texts in every file below a directory, knowing nothing of what the files mean: Parquet files are decoded, with their statistics, and
 * the bytes of all others are searched.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bytesIfThere } from '../lib/files/read-if-there.js';
import { DuckDBInstance, DuckDBBlobValue, type DuckDBConnection, type DuckDBValue } from '@duckdb/node-api';

/** '<file>: <text>' for each text that stands in a file, ascending. */
export async function findTexts(dir: string, texts: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const pieces = await contentOf(connection, path);
      for (const text of texts)
        if (pieces.some((bytes) => formsOf(text).some((form) => bytes.includes(form))))
          found.add(`${relative(dir, path)}: ${text}`);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return [...found].toSorted();
}

/** As it is, and as JSON writes it in ASCII. */
function formsOf(text: string): Buffer[] {
  const ascii = text.replaceAll(/[^\x20-\x7e]/g, (unit) =>
    Array.from(
      { length: unit.length },
      (_, i) => `\\u${unit.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
  return [Buffer.from(text), Buffer.from(ascii), Buffer.from(text, 'utf16le')];
}

async function contentOf(connection: DuckDBConnection, path: string): Promise<Buffer[]> {
  const bytes = bytesIfThere(path);
  if (bytes === undefined) return [];
  if (!bytes.subarray(0, 4).equals(Buffer.from('PAR1'))) return [bytes];
  const name = `'${path.replaceAll("'", "''")}'`;
  const sources = [
    `read_parquet(${name}, hive_partitioning = false)`,
    `parquet_metadata(${name})`,
    `parquet_kv_metadata(${name})`,
  ];
  const pieces = [bytes];
  for (const source of sources) {
    const rows = await connection.runAndReadAll(`select * from ${source}`);
    const values = rows.getRows().map((row) => row.filter((value) => value !== path).map(bytesOf));
    pieces.push(Buffer.concat(values.flat().flatMap((value) => [value, Buffer.from('\n')])));
  }
  return pieces;
}

function bytesOf(value: DuckDBValue): Buffer {
  return value instanceof DuckDBBlobValue ? Buffer.from(value.bytes) : Buffer.from(String(value));
}
