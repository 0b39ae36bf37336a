/**
 * DuckDB for one batch run: the snapshot's files as views `pageviews` and `equivs`, the shared rules as SQL functions,
 * and every statement in a file of its own under batch/sql.
 */
import {
  BOOLEAN,
  DuckDBScalarFunction,
  INTEGER,
  UINTEGER,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBType,
  type DuckDBVector,
} from '@duckdb/node-api';
import { coupon } from 'hyperloglog-ts';
import { dirname } from 'node:path';
import { assetText } from '../lib/assets.js';
import { SwaError, messageOf } from '../lib/errors.js';
import { isNobody } from '../lib/facts/door.js';
import type { Rules } from '../lib/facts/rules.js';
import { topics, type Topic } from '../lib/log/log.js';
import { domainOf } from '../lib/url/domain.js';
import { openDuckDb, sqlName, sqlText, type DuckDb } from '../master-data/duckdb.js';
import { columnsOf } from '../master-data/schema.js';
import type { SnapshotFile } from '../master-data/snapshot.js';

export interface BatchDbOptions {
  readonly files: readonly SnapshotFile[];
  readonly rules: Rules;
  /** Spill files; created if missing. */
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
}

export class BatchDb {
  readonly #database: DuckDb;
  readonly #connection: DuckDBConnection;

  private constructor(database: DuckDb) {
    this.#database = database;
    this.#connection = database.connection;
  }

  static async open(options: BatchDbOptions): Promise<BatchDb> {
    const database = await openDuckDb({
      allowedDirectories: [...new Set(options.files.map((file) => dirname(file.path))), options.tempDir],
      tempDirectory: options.tempDir,
      memoryLimit: options.memoryLimit,
      threads: options.threads,
    });
    const db = new BatchDb(database);
    for (const topic of topics) await database.connection.run(sourceView(topic, options.files));
    const { url, bots } = options.rules;
    db.#textFunction('swa_normalize', VARCHAR, (text) => {
      const normalized = url.normalize(text);
      return normalized.ok ? normalized.url : null;
    });
    db.#textFunction('swa_domain', VARCHAR, domainOf);
    db.#textFunction('swa_is_bot', BOOLEAN, (text) => bots.excludes(text));
    db.#textFunction('swa_is_nobody', BOOLEAN, isNobody);
    db.#textFunction('swa_coupon', UINTEGER, coupon);
    return db;
  }

  /** Makes the roots of union-find known to SQL. */
  registerRoots(roots: Int32Array): void {
    this.#register('swa_root', INTEGER, INTEGER, (id) => (typeof id === 'number' ? (roots[id] ?? id) : null));
  }

  /** Runs the statement of batch/sql/<name>.sql. */
  async run(name: string): Promise<void> {
    await this.#attempt(name, async () => this.#connection.run(readSql(name)));
  }

  /** Rows of a statement, chunk by chunk, without ever holding the whole result. */
  async *stream(name: string): AsyncGenerator<DuckDBDataChunk> {
    const result = await this.#attempt(name, async () => this.#connection.stream(readSql(name)));
    for (;;) {
      const chunk = await this.#attempt(name, async () => result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk;
    }
  }

  /** Small results only. `sql` is a statement that no file holds, such as a count. */
  async rows(sql: string): Promise<unknown[][]> {
    return this.#attempt(sql, async () => (await this.#connection.runAndReadAll(sql)).getRows());
  }

  async prepare(name: string): Promise<void> {
    await this.#attempt(name, async () => this.#connection.prepare(readSql(name)));
  }

  close(): void {
    this.#database.close();
  }

  #textFunction(
    name: string,
    returnType: DuckDBType,
    apply: (text: string) => string | number | boolean | null,
  ): void {
    this.#register(name, VARCHAR, returnType, (value) => (typeof value === 'string' ? apply(value) : null));
  }

  #register(
    name: string,
    parameter: DuckDBType,
    returnType: DuckDBType,
    apply: (value: unknown) => string | number | boolean | null,
  ): void {
    const mainFunction = (_info: unknown, input: DuckDBDataChunk, output: DuckDBVector): void => {
      const values = input.getColumnVector(0);
      for (let row = 0; row < input.rowCount; row++) output.setItem(row, apply(values.getItem(row)));
      output.flush();
    };
    this.#connection.registerScalarFunction(
      DuckDBScalarFunction.create({ name, parameterTypes: [parameter], returnType, mainFunction }),
    );
  }

  async #attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      const message = messageOf(cause);
      throw new SwaError('batch.failed', `step '${what}' failed: ${message}`, {
        cause,
        hint: /No space left|disk|temporary/i.test(message)
          ? 'free space in SWA_DATA_DIR; the view that serves is untouched'
          : 'the view that serves is untouched; see `swa status`',
      });
    }
  }
}

export function readSql(name: string): string {
  return assetText(`batch/sql/${name}.sql`);
}

/** One view per topic over its files, each row with its partition; empty but typed when there are none. */
function sourceView(topic: Topic, files: readonly SnapshotFile[]): string {
  const columns = columnsOf[topic];
  const names = columns.map((column) => sqlName(column.name)).join(', ');
  const partitions = new Map<number, string[]>();
  for (const file of files) {
    if (file.topic !== topic) continue;
    partitions.set(file.partition, [...(partitions.get(file.partition) ?? []), file.path]);
  }
  const selects = [...partitions].map(
    ([partition, paths]) =>
      `select cast(${partition} as integer) as partition_number, ${names} from read_parquet([${paths.map(sqlText).join(', ')}])`,
  );
  if (selects.length === 0) {
    const nulls = columns
      .map((column) => `cast(null as ${column.type}) as ${sqlName(column.name)}`)
      .join(', ');
    selects.push(`select cast(null as integer) as partition_number, ${nulls} where false`);
  }
  return `create temp view ${topic} as ${selects.join(' union all ')}`;
}
