/**
 * Opens DuckDB in a sandbox: no network, no extensions, no files outside the given directories, bounded memory, and no
 * way to lift these limits in SQL. The master dataset and the batch layer use it.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

export interface DuckDbOptions {
  /** The directories SQL may read and write, with everything below them. */
  readonly allowedDirectories: readonly string[];
  /** Folder for spill files; created if missing. */
  readonly tempDirectory: string;
  /** A DuckDB size such as '512MB'. */
  readonly memoryLimit: string;
  readonly threads: number;
}

export interface DuckDb {
  readonly connection: DuckDBConnection;
  close(): void;
}

/** Opens an in-memory database with one connection. */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDb> {
  mkdirSync(options.tempDirectory, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads),
    memory_limit: options.memoryLimit,
    temp_directory: resolve(options.tempDirectory),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    // Its allocator keeps what was freed until the same thread allocates again; with this it is given back within seconds.
    allocator_background_threads: 'true',
  });
  const connection = await instance.connect();
  // The cache identifies files by path and modification time, and confuses two files written at one path in quick
  // succession.
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

/** Formats a string as an SQL literal, or as an expression if it contains NUL, at which DuckDB's parser would stop. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''").replaceAll('\0', "' || chr(0) || '")}'`;
}

/** Formats bytes as an SQL expression. */
export function sqlBlob(bytes: Uint8Array): string {
  return `unhex('${Buffer.from(bytes).toString('hex')}')`;
}

/**
 * Returns SQL for the rows of these files, with null where a file lacks a column. Hive partitioning is off, because
 * DuckDB would read a directory named `visitor=all` as a column.
 */
export function sqlParquet(...paths: readonly string[]): string {
  const files = paths.map(sqlText).join(', ');
  return `read_parquet([${files}], hive_partitioning = false, union_by_name = true)`;
}

/** Formats a name as an SQL identifier. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
