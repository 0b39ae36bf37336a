/**
 * DuckDB for one batch run: the snapshot's files as views `pageviews` and `equivs`, the shared rules as SQL functions,
 * and every statement in a file of its own under batch/sql.
 */
import {
  BOOLEAN,
  DuckDBScalarFunction,
  INTEGER,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBResult,
  type DuckDBType,
  type DuckDBVector,
} from '@duckdb/node-api';
import { dirname } from 'node:path';
import { assetText } from '../lib/assets.js';
import { SwaError, messageOf } from '../lib/errors.js';
import { timeEnd, timeStart } from '../lib/facts/fact.js';
import { placeholderPattern } from '../lib/facts/placeholders.js';
import { offsetAt } from '../lib/log/cut.js';
import { topics, type Cut, type Topic } from '../lib/log/log.js';
import { openDuckDb, sqlName, sqlText, type DuckDb } from '../master-data/duckdb.js';
import { columnsOf, sqlFacts } from '../master-data/schema.js';
import type { SnapshotFile } from '../master-data/snapshot.js';
import { booleans, integersOf } from './columns.js';
import { TextColumn } from './text-column.js';

export interface BatchDbOptions {
  readonly files: readonly SnapshotFile[];
  /** Rows of the files at or above it are left out. */
  readonly cut: Cut;
  /** Spill files; created if missing. */
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
}

/** What stands for the {holes} of a statement. */
type Fill = Readonly<Record<string, string>>;

/** A statement at work. */
export interface Begun {
  /** Its rows, to be asked for once. */
  chunks(): AsyncGenerator<DuckDBDataChunk>;
}

export class BatchDb {
  readonly #database: DuckDb;
  readonly #connection: DuckDBConnection;
  /** What a taker threw: DuckDB has no way to carry it. */
  #failure: { readonly error: unknown } | undefined;
  /** The statement begun last. */
  #begun: Promise<unknown> | undefined;

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
    for (const topic of topics) await database.connection.run(sourceView(topic, options));
    for (const sql of macros) await database.connection.run(`create temp macro ${sql}`);
    return db;
  }

  /**
   * Makes a function known to SQL that takes whole vectors and returns flags: rows go from DuckDB's scan to us without a
   * copy. `take` sets each row's flag, or leaves all false. DuckDB's threads call it one at a time. What it throws, the
   * statement throws.
   */
  registerTaker(
    name: string,
    parameterTypes: readonly DuckDBType[],
    take: (chunk: DuckDBDataChunk, flags: Uint8Array) => void,
  ): void {
    const mainFunction = (_info: unknown, input: DuckDBDataChunk, output: DuckDBVector): void => {
      const flags = booleans(output).fill(0);
      this.#guard(() => take(input, flags));
      output.flush();
    };
    this.#connection.registerScalarFunction(
      DuckDBScalarFunction.create({
        name,
        parameterTypes,
        returnType: BOOLEAN,
        mainFunction,
        volatile: true,
        specialHandling: true, // rows with nulls are rows too
      }),
    );
  }

  /** Makes a function known to SQL that numbers texts; equal texts have equal numbers. Null stays null. */
  registerNumbers(name: string, read: (texts: TextColumn, numbers: Int32Array) => void): void {
    const texts = new TextColumn();
    const mainFunction = (_info: unknown, input: DuckDBDataChunk, output: DuckDBVector): void => {
      const numbers = integersOf(output);
      this.#guard(() => {
        texts.read(input, 0);
        read(texts, numbers);
      });
      output.flush();
    };
    this.#connection.registerScalarFunction(
      DuckDBScalarFunction.create({ name, parameterTypes: [VARCHAR], returnType: INTEGER, mainFunction }),
    );
  }

  /** Runs the statement of batch/sql/<name>.sql. */
  async run(name: string): Promise<void> {
    await this.#attempt(name, async () => this.#connection.run(readSql(name)));
  }

  /** Rows of a statement, chunk by chunk, without ever holding the whole result; `fill` stands for its {holes}. */
  async *stream(name: string, fill: Fill = {}): AsyncGenerator<DuckDBDataChunk> {
    yield* (await this.begin(name, fill)).chunks();
  }

  /** Begins a statement and does not wait for it: DuckDB works while we do other things. No other may run until its end. */
  async begin(name: string, fill: Fill): Promise<Begun> {
    const statement = await this.#attempt(name, async () => this.#connection.prepare(readSql(name, fill)));
    const begun = statement.stream();
    begun.catch(() => undefined); // whoever asks for the rows hears of it
    this.#begun = begun;
    return { chunks: () => this.#chunksOf(name, begun) };
  }

  async *#chunksOf(name: string, begun: Promise<DuckDBResult>): AsyncGenerator<DuckDBDataChunk> {
    const result = await this.#attempt(name, async () => begun);
    for (;;) {
      const chunk = await this.#attempt(name, async () => result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk;
    }
  }

  /** Rows of a table or view. */
  async countOf(name: string): Promise<number> {
    const sql = `select count(*) from ${name}`;
    const rows = await this.#attempt(sql, async () => (await this.#connection.runAndReadAll(sql)).getRows());
    return Number(rows[0]?.[0]);
  }

  /** Gives a table's memory back. */
  async drop(table: string): Promise<void> {
    const sql = `drop table ${table}`;
    await this.#attempt(sql, async () => this.#connection.run(sql));
  }

  /** Checks a statement against the schema without running it. */
  async prepare(name: string, fill: Fill = {}): Promise<void> {
    await this.#attempt(name, async () => this.#connection.prepare(readSql(name, fill)));
  }

  /** Waits for what is at work. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#begun]);
    this.#database.close();
  }

  /** What is thrown within DuckDB is kept for the statement to throw; nothing is done after the first. */
  #guard(work: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#failure = { error };
    }
  }

  async #attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      const result = await action();
      if (this.#failure !== undefined) throw this.#failure.error;
      return result;
    } catch (cause) {
      if (cause instanceof SwaError) throw cause;
      const [message = ''] = messageOf(cause).split(/\s*Possible solutions:/); // SET statements: nobody can give them
      throw new SwaError('batch.failed', `step '${what}' failed: ${message}`, {
        cause,
        hint: `${adviceOn(message)}the view that serves is untouched`,
      });
    }
  }
}

function adviceOn(message: string): string {
  if (/No space left|disk|temporary|temp_directory/i.test(message)) return 'free space in SWA_DATA_DIR; ';
  if (/out of memory/i.test(message)) return 'give the run more memory with SWA_BATCH_MEMORY; ';
  return '';
}

/** The statement of batch/sql/<name>.sql, its {holes} filled. */
export function readSql(name: string, fill: Fill = {}): string {
  return assetText(`batch/sql/${name}.sql`).replace(/\{(\w+)\}/g, (_hole, key: string) => fill[key] ?? '');
}

/** What `decodeRecord` refuses, for facts in files of versions that did not refuse it yet. */
const macros = [
  `swa_is_nobody(id) as regexp_matches(id, ${sqlText(placeholderPattern)})`,
  `swa_is_time(ms) as ms >= ${timeStart} and ms < ${timeEnd}`,
];

/** One view per topic over its files, each row with its partition. */
function sourceView(topic: Topic, { files, cut }: Pick<BatchDbOptions, 'files' | 'cut'>): string {
  const names = columnsOf[topic].map((column) => sqlName(column.name)).join(', ');
  const ofTopic = files.filter((file) => file.topic === topic);
  const selects = [...new Set(ofTopic.map((file) => file.partition))].map((partition) => {
    const ofPartition = ofTopic.filter((file) => file.partition === partition);
    const rows = sqlFacts(
      topic,
      ofPartition.map((file) => file.path),
    );
    const end = offsetAt(cut.next, `${topic}/${partition}`);
    const clip = ofPartition.some((file) => file.toOffset > end) ? ` where "offset" < ${end}` : '';
    return `select cast(${partition} as integer) as partition_number, ${names} from ${rows}${clip}`;
  });
  if (selects.length === 0)
    selects.push(`select cast(null as integer) as partition_number, ${names} from ${sqlFacts(topic, [])}`);
  return `create temp view ${topic} as ${selects.join(' union all ')}`;
}
