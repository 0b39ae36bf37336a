/** DuckDB for one batch run, with the star's edges as the view `equivs` and the ids and times of its pageviews as the view `pageviews`. Every statement is in its own file under batch/sql. */
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import { dirname } from 'node:path';
import { assetText } from '../lib/files/assets.js';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import { timeEnd, timeStart } from '../facts/fact.js';
import { offsetAt } from '../log/cut.js';
import type { Cut } from '../log/log.js';
import { openDuckDb, sqlParquet, sqlText, type DuckDb } from '../master-data/duckdb.js';
import type { SnapshotFile } from '../master-data/snapshot.js';
import type { StarFacts } from '../master-data/star/star.js';

export interface BatchDbOptions {
  /** Files of the master dataset that statements may read. */
  readonly files: readonly SnapshotFile[];
  /** Rows from here on are ignored. */
  readonly cut: Cut;
  readonly facts: readonly StarFacts[];
  /** Whether statements read the view `pageviews`, which is empty otherwise. */
  readonly readsPageviews?: boolean;
  /** Spill files; created if missing. */
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
}

/** Values for the {holes} of a statement. */
type Fill = Readonly<Record<string, string>>;

/** A running statement. */
export interface RunningStatement {
  /** Its rows; call once. */
  chunks(): AsyncGenerator<DuckDBDataChunk>;
}

export class BatchDb {
  readonly #database: DuckDb;
  readonly #connection: DuckDBConnection;
  /** The last statement begun. */
  #begun: Promise<unknown> | undefined;

  private constructor(database: DuckDb) {
    this.#database = database;
    this.#connection = database.connection;
  }

  static async open(options: BatchDbOptions): Promise<BatchDb> {
    const { files, facts, tempDir } = options;
    const database = await openDuckDb({
      allowedDirectories: [...new Set([...files, ...facts].map(({ path }) => dirname(path))), tempDir],
      tempDirectory: tempDir,
      memoryLimit: options.memoryLimit,
      threads: options.threads,
    });
    const { connection } = database;
    // Excludes what `decodeRecord` refuses, because files of earlier versions may contain it.
    await connection.run(`create temp macro swa_is_time(ms) as ms >= ${timeStart} and ms < ${timeEnd}`);
    await connection.run(`create temp view equivs as ${starEdges(options)}`);
    await connection.run(`create temp view pageviews as ${starVisitors(options)}`);
    return new BatchDb(database);
  }

  /** Runs the statement of batch/sql/<name>.sql; `fill` replaces its {holes}. */
  async run(name: string, fill: Fill = {}): Promise<void> {
    await attempt(name, async () => this.#connection.run(readSql(name, fill)));
  }

  /** Yields the rows of a statement in chunks, without holding the whole result; `fill` replaces its {holes}. */
  async *stream(name: string, fill: Fill = {}): AsyncGenerator<DuckDBDataChunk> {
    yield* (await this.begin(name, fill)).chunks();
  }

  /** Starts a statement without waiting, so that DuckDB works in the background. No other statement may run until it ends. */
  async begin(name: string, fill: Fill): Promise<RunningStatement> {
    const statement = await attempt(name, async () => this.#connection.prepare(readSql(name, fill)));
    const begun = statement.stream();
    begun.catch(() => undefined); // the reader of the rows receives the error
    this.#begun = begun;
    return { chunks: () => chunksOf(name, begun) };
  }

  /** Number of rows of a table or view. */
  async countOf(name: string): Promise<number> {
    const sql = `select count(*) from ${name}`;
    const rows = await attempt(sql, async () => (await this.#connection.runAndReadAll(sql)).getRows());
    return Number(rows[0]?.[0]);
  }

  /** Drops a table, to free its memory. */
  async drop(table: string): Promise<void> {
    const sql = `drop table ${table}`;
    await attempt(sql, async () => this.#connection.run(sql));
  }

  /** Checks a statement against the schema without running it. */
  async prepare(name: string, fill: Fill = {}): Promise<void> {
    await attempt(name, async () => this.#connection.prepare(readSql(name, fill)));
  }

  /** Waits for the running statement. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#begun]);
    this.#database.close();
  }
}

async function* chunksOf(name: string, begun: Promise<DuckDBResult>): AsyncGenerator<DuckDBDataChunk> {
  const result = await attempt(name, async () => begun);
  for (;;) {
    const chunk = await attempt(name, async () => result.fetchChunk());
    if (chunk === null || chunk.rowCount === 0) return;
    yield chunk;
  }
}

/** Rethrows an error of DuckDB with the name of the step and a hint. */
export async function attempt<T>(step: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof SwaError || cause.constructor !== Error) throw cause;
    const [message = ''] = messageOf(cause).split(/\s*Possible solutions:/); // suggests SET statements, which our users cannot run
    throw new SwaError('batch.failed', `step '${step}' failed: ${message}`, {
      cause,
      hint: `${adviceOn(message)}the published view is unchanged`,
    });
  }
}

function adviceOn(message: string): string {
  if (/No space left|disk|temporary|temp_directory/i.test(message)) return 'free space in SWA_DATA_DIR; ';
  if (/out of memory/i.test(message)) return 'give the run more memory with SWA_BATCH_MEMORY; ';
  return '';
}

/** The statement of batch/sql/<name>.sql with its {holes} replaced. */
export function readSql(name: string, fill: Fill = {}): string {
  return assetText(`batch/sql/${name}.sql`).replace(/\{(\w+)\}/g, (_hole, key: string) => fill[key] ?? '');
}

/** A query for the star's edges before the cut. */
export function starEdges({ facts, cut }: Pick<BatchDbOptions, 'facts' | 'cut'>): string {
  const selects = facts
    .filter(({ topic }) => topic === 'equivs')
    .map(({ partition, path, isCut }) => {
      const clip = isCut ? ` where "offset" < ${offsetAt(cut.next, `equivs/${partition}`)}` : '';
      return `select *, ${partition} as partition from read_parquet(${sqlText(path)}, hive_partitioning = false)${clip}`;
    });
  const none =
    'select 0 as a, 0 as b, 0 as kind, 0 as event, 0 as exclusion, 0::bigint as timestamp, 0::bigint as "offset", 0 as partition where false';
  return [none, ...selects].join(' union all ');
}

/** A query for the visitor and the time of the star's pageviews before the cut; of none if no statement reads them. */
function starVisitors({ facts, cut, readsPageviews = false }: BatchDbOptions): string {
  const selects = facts
    .filter(({ topic }) => readsPageviews && topic === 'pageviews')
    .map(({ partition, path, masterPath, isCut }) => {
      // Rows are in offset order, and the star's are those of the master dataset's file.
      const end = offsetAt(cut.next, `pageviews/${partition}`);
      const below = `(select count(*) from ${sqlParquet(masterPath)} where "offset" < ${end})`;
      return `select visitor, timestamp from read_parquet(${sqlText(path)}, hive_partitioning = false, file_row_number = true)
        where url > 0${isCut ? ` and file_row_number < ${below}` : ''}`;
    });
  return ['select 0 as visitor, 0::bigint as timestamp where false', ...selects].join(' union all ');
}
