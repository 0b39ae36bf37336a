/**
 * Reads rows of CSV, TSV and Parquet files with DuckDB. Each becomes a line for the import: a JSON array with the texts of some columns, or, of a
 * Parquet file of facts, a fact.
 */
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { checkFile, type ByteProgress, type Line, type LineBlock } from '../../ingest/lines.js';

/**
 * Throws `import.failed` naming a missing column, or what is wrong with the file. Rows of a CSV that cannot be parsed become refused
 * lines after all others.
 * @param columns names as in the file, in the order of the arrays
 */
export async function* tableRows(
  path: string,
  format: 'csv' | 'tsv' | 'parquet',
  columns: readonly string[],
  progress: ByteProgress,
): AsyncGenerator<LineBlock> {
  const selected = columns.map((name) => `CAST(${quotedName(name)} AS VARCHAR)`).join(', ');
  yield* rowsOf(path, format, selected, JSON.stringify, progress);
}

/**
 * Rows of a Parquet file of facts, such as `swa export --format parquet` writes: columns are fields, in snake case, and null where a fact does not
 * have the field. Throws `import.failed`.
 */
export async function* factRows(path: string, progress: ByteProgress): AsyncGenerator<LineBlock> {
  // Bytes, because DuckDB's texts lose a leading U+FEFF.
  yield* rowsOf(path, 'parquet', 'encode(CAST(to_json(facts) AS VARCHAR))', factOf, progress);
}

function factOf([row]: unknown[]): string {
  const bytes = (row as { readonly bytes: Uint8Array }).bytes; // selected as a blob, never null
  const columns = Object.entries(JSON.parse(Buffer.from(bytes).toString('utf8')) as object);
  const fields = columns
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [fieldOf(name), value as unknown]);
  return JSON.stringify(Object.fromEntries(fields));
}

/** 'event_id' is eventId. */
function fieldOf(column: string): string {
  return column.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

async function* rowsOf(
  path: string,
  format: 'csv' | 'tsv' | 'parquet',
  selected: string,
  textOf: (row: unknown[]) => string,
  progress: ByteProgress,
): AsyncGenerator<LineBlock> {
  if (path === '-') throw new SwaError('usage.invalid', `${format} is read from a file, not from stdin`);
  progress.totalBytes = await checkFile(path);
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'").catch(() => undefined); // builds without time zones fail here, and use UTC anyway
    const result = await connection.stream(`SELECT ${selected} FROM ${source(path, format)} AS facts`);
    let number = 0;
    for await (const rows of result.yieldRows()) {
      const lines = rows.map((row): Line => ({
        number: ++number,
        text: textOf(row),
        refusal: undefined,
        ended: true,
      }));
      if (lines.length > 0) yield { kind: 'lines', lines };
    }
    if (format !== 'parquet')
      yield* rejectedRows(
        await connection.runAndReadAll('SELECT DISTINCT line, csv_line FROM reject_errors ORDER BY line'),
      );
    progress.readBytes = progress.totalBytes;
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw new SwaError(
      'import.failed',
      `cannot read '${path}' as ${format}: ${messageOf(cause).split('\n\n')[0]?.slice(0, 600) ?? ''}`,
      { cause, hint: '--columns takes column names as they appear in the file' },
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function source(path: string, format: 'csv' | 'tsv' | 'parquet'): string {
  const file = `'${path.replaceAll("'", "''")}'`;
  if (format === 'parquet') return `read_parquet(${file})`;
  const delimiter = format === 'csv' ? ',' : '\\t';
  return `read_csv(${file}, header = true, all_varchar = true, delim = '${delimiter}', quote = '"', escape = '"', store_rejects = true)`;
}

function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function* rejectedRows(reader: { getRows(): unknown[][] }): Generator<LineBlock> {
  const lines = reader.getRows().map(([line, text]): Line => ({
    number: Number(line),
    text: typeof text === 'string' ? text : '',
    refusal: 'the row cannot be read',
    ended: true,
  }));
  if (lines.length > 0) yield { kind: 'lines', lines };
}
