/**
 * Exports facts from the master dataset, as NDJSON lines that the door accepts or as a Parquet file with the same
 * facts, ordered by topic, partition and offset, so that importing them into a data directory with the same number of
 * partitions gives the same views.
 */
import { DuckDBBlobValue, type DuckDBConnection } from '@duckdb/node-api';
import { sqlBlob, sqlText } from './duckdb.js';
import { columnsOf, sqlFacts } from './schema.js';
import type { Snapshot, SnapshotFile } from './snapshot.js';

export interface ExportCounts {
  facts: number;
  /** Records that are not facts, including erased ones. */
  invalid: number;
  /** Erasures, which are not exported: their hashes are meaningless in another data directory. */
  erasures: number;
}

/** Columns that belong to the record, not to the fact. */
const ofRecord = ['offset', 'invalid_reason', 'raw'];

/**
 * Yields the exported lines and updates `counts`.
 * @param ids export only facts of these visitors: their pageviews, edges that name one, exclusions of one
 */
export async function* exportedLines(
  connection: DuckDBConnection,
  { files }: Snapshot,
  counts: ExportCounts,
  ids?: readonly string[],
): AsyncGenerator<string> {
  for (const file of files) {
    const rows = await connection.stream(selectOf(file, ids));
    for await (const chunk of rows) {
      const vector = chunk.getColumnVector(0);
      for (let row = 0; row < chunk.rowCount; row++) {
        const value = vector.getItem(row);
        if (!(value instanceof DuckDBBlobValue)) {
          counts.invalid++;
          continue;
        }
        const fact = JSON.parse(Buffer.from(value.bytes).toString('utf8')) as Readonly<
          Record<string, unknown>
        >;
        if (fact['by'] === 'erased') {
          counts.erasures++;
          continue;
        }
        counts.facts++;
        const fields = Object.entries(fact).filter(([, field]) => field !== null);
        yield `${JSON.stringify(Object.fromEntries(fields))}\n`;
      }
    }
  }
}

/**
 * Selects one column: the fact as JSON, as bytes because DuckDB's texts lose a leading U+FEFF; null for a record that
 * is not a fact.
 */
function selectOf({ topic, path }: SnapshotFile, ids: readonly string[] | undefined): string {
  const fields = columnsOf[topic]
    .filter(({ name, field }) => field !== undefined && !notOfFact(name))
    .map(({ name, field }) => `${field}: "${name}"`);
  const all = topic === 'pageviews' ? [`type: 'pageview'`, ...fields] : fields;
  const quoted = all.map((field) => field.replace(/^(\w+):/, '"$1":'));
  const fact = `case when invalid_reason is null then encode(cast(to_json({${quoted.join(', ')}}) as varchar)) end`;
  return `select ${fact} from ${sqlFacts(topic, [path])}${ids === undefined ? '' : ` where ${namesOne(topic, ids)}`} order by "offset"`;
}

function namesOne(topic: SnapshotFile['topic'], ids: readonly string[]): string {
  const texts = ids.map((id) => sqlBlob(Buffer.from(id))).join(', ');
  const columns =
    topic === 'pageviews' ? ['visitor'] : ['a', 'b', `case when "by" = 'visitor' then value end`];
  return `(${columns.map((column) => `coalesce(encode(${column}) in (${texts}), false)`).join(' or ')})`;
}

/**
 * Writes the exported facts into a Parquet file and updates `counts`: a row for each fact, with `type` and a column for
 * each field, named as in the master dataset; null where a fact does not have the field. The connection must use one
 * thread, which keeps rows in order, and may write to the file's folder.
 */
export async function exportParquet(
  connection: DuckDBConnection,
  { files }: Snapshot,
  counts: ExportCounts,
  path: string,
  ids?: readonly string[],
): Promise<void> {
  const columns = [...new Map(Object.values(columnsOf).flatMap((all) => all.map((one) => [one.name, one])))]
    .map(([, column]) => column)
    .filter(({ name, field }) => field !== undefined && field !== 'type' && !notOfFact(name));
  const nulls = columns.map(({ name, type }) => `cast(null as ${type}) as "${name}"`).join(', ');
  const selects = files.map(({ topic, path: file }) => {
    const own = new Set(columnsOf[topic].map(({ name }) => name));
    const fields = columns.map(({ name, type }) =>
      own.has(name) ? `"${name}"` : `cast(null as ${type}) as "${name}"`,
    );
    const type = topic === 'pageviews' ? `'pageview'` : 'kind';
    const isWanted = ids === undefined ? '' : ` and ${namesOne(topic, ids)}`;
    return `(select ${type} as type, ${fields.join(', ')} from ${sqlFacts(topic, [file])} where ${isExported(topic)}${isWanted} order by "offset")`;
  });
  const none = `select cast(null as varchar) as type, ${nulls} where false`;
  await connection.run(
    `copy (${[none, ...selects].join(' union all ')}) to ${sqlText(path)} (format parquet, compression zstd)`,
  );
  counts.facts = await countOf(connection, `select count(*) from read_parquet(${sqlText(path)})`);
  if (ids !== undefined) return;
  for (const { topic, path: file } of files) {
    const facts = sqlFacts(topic, [file]);
    counts.invalid += await countOf(
      connection,
      `select count(*) from ${facts} where invalid_reason is not null`,
    );
    if (topic === 'equivs')
      counts.erasures += await countOf(
        connection,
        `select count(*) from ${facts} where invalid_reason is null and "by" = 'erased'`,
      );
  }
}

function isExported(topic: SnapshotFile['topic']): string {
  return topic === 'pageviews'
    ? 'invalid_reason is null'
    : `invalid_reason is null and "by" is distinct from 'erased'`;
}

function notOfFact(name: string): boolean {
  return ofRecord.includes(name) || name === 'received_at';
}

async function countOf(connection: DuckDBConnection, sql: string): Promise<number> {
  return Number((await connection.runAndReadAll(sql)).getRows()[0]?.[0]);
}
