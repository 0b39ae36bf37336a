/** Writes Parquet files with DuckDB, from a spool or from smaller files, and reads them back as a check. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { SwaError, messageOf } from '../lib/errors/errors.js';
import type { Topic } from '../log/log.js';
import { erasedReason, standIn } from '../log/stand-in.js';
import { sqlBlob, sqlName, sqlParquet, sqlText } from './duckdb.js';
import { columnsOf, sqlFacts } from './schema.js';
import type { Spooled } from './spool.js';

/** Summary of a Parquet file as read back. */
export interface ParquetSummary {
  readonly rows: number;
  readonly invalidRows: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** Sum of (offset - first offset). */
  readonly offsetSum: number;
  readonly minTimestamp: number | null;
  readonly maxTimestamp: number | null;
}

const writeOptions = 'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1';

/** Writes a spool's rows to a new Parquet file, without making it durable. Throws `data-dir.unusable` (retryable). */
export async function spoolToParquet(connection: DuckDBConnection, from: Spooled, to: string): Promise<void> {
  const columns = columnsOf[from.topic];
  const jsonColumns = columns.map((column) => {
    const type = column.type === 'BLOB' ? 'VARCHAR' : column.type;
    return `${sqlName(column.field ?? column.name)}: ${sqlText(type)}`;
  });
  const selected = columns.map((column) => {
    const source = sqlName(column.field ?? column.name);
    return `${column.type === 'BLOB' ? `from_base64(${source})` : source} AS ${sqlName(column.name)}`;
  });
  const objectBytes = Math.max(1 << 20, 2 * from.longestLineBytes);
  await run(
    connection,
    `COPY (SELECT ${selected.join(', ')} FROM read_json(${sqlText(from.path)}, format = 'newline_delimited',
       columns = {${jsonColumns.join(', ')}}, maximum_object_size = ${objectBytes}, hive_partitioning = false))
     TO ${sqlText(to)} (${writeOptions})`,
    `write ${to}`,
  );
}

/**
 * Writes the rows of several files, in order, to a new one, without making it durable. Throws `data-dir.unusable`
 * (retryable).
 */
export async function mergeParquet(
  connection: DuckDBConnection,
  topic: Topic,
  from: readonly string[],
  to: string,
): Promise<void> {
  const columns = columnsOf[topic].map((column) => sqlName(column.name)).join(', ');
  await run(
    connection,
    `COPY (SELECT ${columns} FROM ${sqlFacts(topic, from)}) TO ${sqlText(to)} (${writeOptions})`,
    `write ${to}`,
  );
}

/** An SQL condition, over the columns of facts, for the rows to erase. */
export type ErasedRows = string;

/**
 * Writes the rows of a file to a new one, without making it durable. Rows to erase keep their offset and become what a
 * stand-in for an erased record is stored as.
 */
export async function eraseRows(
  connection: DuckDBConnection,
  topic: Topic,
  from: string,
  to: string,
  erased: ErasedRows,
): Promise<void> {
  const instead: Readonly<Record<string, string>> = {
    offset: '"offset"',
    invalid_reason: sqlText(erasedReason),
    raw: sqlBlob(standIn('erased')),
  };
  const columns = columnsOf[topic].map(({ name }) => {
    const column = sqlName(name);
    return `case when is_erased then ${instead[name] ?? 'null'} else ${column} end as ${column}`;
  });
  await run(
    connection,
    `COPY (SELECT ${columns.join(', ')} FROM (SELECT *, ${erased} AS is_erased FROM ${sqlFacts(topic, [from])}))
     TO ${sqlText(to)} (${writeOptions})`,
    `write ${to}`,
  );
}

/** Counts the rows to erase: those that are facts and the others. */
export async function countErased(
  connection: DuckDBConnection,
  topic: Topic,
  path: string,
  erased: ErasedRows,
): Promise<{ readonly facts: number; readonly others: number }> {
  const rows = await run(
    connection,
    `SELECT count(*) FILTER (invalid_reason IS NULL), count(invalid_reason) FROM ${sqlFacts(topic, [path])} WHERE ${erased}`,
    `read ${path}`,
  );
  const [facts, others] = (rows[0] ?? []).map(Number);
  return { facts: facts ?? 0, others: others ?? 0 };
}

/** An SQL condition for rows that are not erased. */
export const notErased = `invalid_reason IS DISTINCT FROM ${sqlText(erasedReason)}`;

/**
 * Returns a hash of the contents of all rows (or those of `where`) of some files, independent of their order and
 * layout.
 */
export async function contentHash(
  connection: DuckDBConnection,
  topic: Topic,
  paths: readonly string[],
  where = 'true',
): Promise<string> {
  const columns = columnsOf[topic].map((column) => sqlName(column.name)).join(', ');
  const rows = await run(
    connection,
    `SELECT CAST(sum(CAST(hash(${columns}) AS HUGEINT)) AS VARCHAR) FROM ${sqlFacts(topic, paths)} WHERE ${where}`,
    `read ${paths.join(', ')} back`,
  );
  return String(rows[0]?.[0]);
}

/** Reads files back as one. Throws `data-dir.unusable` (retryable) if DuckDB cannot read them. */
export async function summarize(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<ParquetSummary> {
  const rows = await run(
    connection,
    `WITH facts AS (FROM ${sqlParquet(...paths)}),
          bounds AS (SELECT min("offset") AS first_offset FROM facts)
     SELECT count(*), count(invalid_reason), min("offset"), max("offset"),
            CAST(sum("offset" - (SELECT first_offset FROM bounds)) AS DOUBLE), min(timestamp), max(timestamp)
     FROM facts`,
    `read ${paths.join(', ')} back`,
  );
  const [count, invalid, first, last, sum, minTime, maxTime] = rows[0] ?? [];
  return {
    rows: Number(count),
    invalidRows: Number(invalid),
    firstOffset: Number(first),
    lastOffset: Number(last),
    offsetSum: Number(sum),
    minTimestamp: minTime === null ? null : Number(minTime),
    maxTimestamp: maxTime === null ? null : Number(maxTime),
  };
}

/** Throws `master.corrupt` (retryable) if the file does not hold what was written to it. */
export function checkSummary(
  path: string,
  actual: ParquetSummary,
  expected: Pick<ParquetSummary, 'rows' | 'invalidRows' | 'firstOffset' | 'lastOffset' | 'offsetSum'>,
): void {
  for (const key of ['rows', 'invalidRows', 'firstOffset', 'lastOffset', 'offsetSum'] as const) {
    if (actual[key] !== expected[key]) {
      throw new SwaError(
        'master.corrupt',
        `${path} does not hold what was written: ${key} is ${actual[key]}, expected ${expected[key]}`,
        {
          retryable: true,
          context: { actual, expected },
        },
      );
    }
  }
}

type Rows = Awaited<ReturnType<Awaited<ReturnType<DuckDBConnection['run']>>['getRows']>>;

async function run(connection: DuckDBConnection, sql: string, what: string): Promise<Rows> {
  try {
    return await (await connection.run(sql)).getRows();
  } catch (cause) {
    throw new SwaError('data-dir.unusable', `cannot ${what}: ${messageOf(cause)}`, {
      cause,
      retryable: true,
    });
  }
}
