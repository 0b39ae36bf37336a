/** The tables of a job (contract.ts) in DuckDB, and rows of them in order, as typed as they are needed. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBBlobValue, type DuckDBConnection, type DuckDBDataChunk } from '@duckdb/node-api';
import { SwaError } from '../../lib/errors/errors.js';
import { words } from '../../master-data/columns.js';
import { openDuckDb, sqlName, sqlParquet, type DuckDb } from '../../master-data/duckdb.js';
import { attempt } from '../database.js';
import type { Job, OutTable } from './contract.js';

export interface TablesDbOptions {
  readonly job: Pick<Job, 'out'>;
  /** Of other files that statements read. */
  readonly directories: readonly string[];
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
}

/** By name of a column of `cells` and so on: as they are read here, whatever integers the engine wrote. */
const columnsOf: Readonly<Record<OutTable, string>> = {
  cells: 'kind, domain, subject, bucket::bigint as bucket, pageviews::bigint as pageviews, sketch',
  visits:
    'domain, bucket::bigint as bucket, visits::bigint as visits, bounces::bigint as bounces, pageviews::bigint as pageviews, duration_ms::bigint as duration_ms',
  persons: 'person, visitor',
  statistics: 'name, value::bigint as value, id',
};

export class TablesDb {
  readonly connection: DuckDBConnection;
  readonly #database: DuckDb;

  private constructor(database: DuckDb) {
    this.#database = database;
    this.connection = database.connection;
  }

  /** Throws `batch.failed` for a table that is not there. */
  static async open(options: TablesDbOptions): Promise<TablesDb> {
    const { job, directories, tempDir } = options;
    const database = await openDuckDb({
      allowedDirectories: [job.out, ...new Set(directories), tempDir],
      tempDirectory: tempDir,
      memoryLimit: options.memoryLimit,
      threads: options.threads,
    });
    const db = new TablesDb(database);
    try {
      for (const [name, columns] of Object.entries(columnsOf) as [OutTable, string][]) {
        const sql = `create temp view ${sqlName(name)} as select ${columns} from ${sqlParquet(...filesOf(job.out, name))}`;
        await attempt(name, async () => db.connection.run(sql));
      }
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Rows of a statement, chunk by chunk. */
  async *stream(sql: string): AsyncGenerator<DuckDBDataChunk> {
    const result = await attempt(sql, async () => this.connection.stream(sql));
    for (;;) {
      const chunk = await attempt(sql, async () => result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk;
    }
  }

  close(): void {
    this.#database.close();
  }
}

/** The values of a BIGINT column, whole numbers up to 2^53. */
export function wholeNumbers(chunk: DuckDBDataChunk, index: number): Float64Array {
  const pairs = words(chunk, index);
  return Float64Array.from({ length: pairs.length / 2 }, (_, i) => {
    const high = pairs[2 * i + 1] ?? 0;
    return (pairs[2 * i] ?? 0) + (high | 0) * 2 ** 32;
  });
}

/** The values of a BLOB column; each is DuckDB's own memory and valid while the chunk is. */
export function bytesIn(chunk: DuckDBDataChunk, index: number, row: number): Uint8Array {
  const value = chunk.getColumnVector(index).getItem(row);
  if (value instanceof DuckDBBlobValue) return value.bytes;
  throw new SwaError(
    'batch.failed',
    `a table of the engine holds ${value === null ? 'null' : typeof value} in row ${row}, column ${index}, where bytes are expected`,
  );
}

function filesOf(out: string, table: OutTable): string[] {
  const dir = join(out, table);
  const names = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.parquet')) : [];
  if (names.length === 0)
    throw new SwaError('batch.failed', `the engine left no table '${table}': ${dir} holds no Parquet files`, {
      hint: 'the published view is unchanged',
    });
  return names.toSorted().map((name) => join(dir, name));
}
