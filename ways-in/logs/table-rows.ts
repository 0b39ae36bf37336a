/** Rows of CSV, TSV and Parquet files, by DuckDB: each the JSON array of the texts of some columns, as a line for the import. */
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { checkFile, type ByteProgress, type Line, type LineBlock } from '../../ingest/lines.js';

/**
 * @param columns names as they stand in the file, in the order of the arrays
 * Throws `import.failed` naming a column that is not there, or what is wrong with the file; rows of a CSV that cannot be read come as refused
 * lines after the others.
 */
export async function* tableRows(
  path: string,
  format: 'csv' | 'tsv' | 'parquet',
  columns: readonly string[],
  progress: ByteProgress,
): AsyncGenerator<LineBlock> {
  if (path === '-') throw new SwaError('usage.invalid', `${format} is read from a file, not from stdin`);
  progress.totalBytes = await checkFile(path);
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'").catch(() => undefined); // where the build knows zones; else they are UTC anyway
    const selected = columns.map((name) => `CAST(${quotedName(name)} AS VARCHAR)`).join(', ');
    const result = await connection.stream(`SELECT ${selected} FROM ${source(path, format)}`);
    let number = 0;
    for await (const rows of result.yieldRows()) {
      const lines = rows.map((row): Line => ({
        number: ++number,
        text: JSON.stringify(row),
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
