/**
 * DuckDB behind bars: no network, no extensions, no files outside the directories it was opened for, bounded memory, and
 * no one can lift that again in SQL. The master dataset and the batch layer open it here.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

export interface DuckDbOptions {
  /** The directories SQL may read and write, with everything below them. */
  readonly allowedDirectories: readonly string[];
  /** Where it spills what does not fit; created if missing. */
  readonly tempDirectory: string;
  /** As DuckDB writes sizes: '512MB'. */
  readonly memoryLimit: string;
  readonly threads: number;
}

export interface DuckDb {
  readonly connection: DuckDBConnection;
  close(): void;
}

/** An in-memory database with one connection. */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDb> {
  mkdirSync(options.tempDirectory, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads),
    memory_limit: options.memoryLimit,
    temp_directory: resolve(options.tempDirectory),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  // It keeps bytes of files by path and time of change, and mixes up two files written within a moment at one path.
  await connection.run('SET enable_external_file_cache = false');
  const directories = options.allowedDirectories.map((dir) => sqlText(`${resolve(dir)}/`)).join(', ');
  await connection.run(`SET allowed_directories = [${directories}]`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  return {
    connection,
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** A string as an SQL literal; with a NUL in it, at which DuckDB's parser would end, as an expression. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''").replaceAll('\0', "' || chr(0) || '")}'`;
}

/** Bytes as an SQL expression. */
export function sqlBlob(bytes: Uint8Array): string {
  return `unhex('${Buffer.from(bytes).toString('hex')}')`;
}

/**
 * The rows of these files, as SQL: of their own columns and nothing else, null where a file lacks one that another has.
 * DuckDB would take a directory `visitor=all` above them for a column.
 */
export function sqlParquet(...paths: readonly string[]): string {
  const files = paths.map(sqlText).join(', ');
  return `read_parquet([${files}], hive_partitioning = false, union_by_name = true)`;
}

/** A name as an SQL identifier. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
