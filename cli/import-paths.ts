/** Expands the file arguments of an import. */
import { existsSync } from 'node:fs';
import { SwaError } from '../lib/errors/errors.js';

/**
 * Replaces glob patterns that the shell left as they are (`'logs/*.gz'`, `**` for any depth) by the files they match, sorted by
 * name. A pattern that is the name of an existing file stays. Throws `import.failed` if a pattern matches no file.
 */
export async function expandPaths(patterns: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const pattern of patterns) {
    if (pattern === '-' || !/[*?[]/.test(pattern) || existsSync(pattern)) {
      paths.push(pattern);
      continue;
    }
    const found = await filesOf(pattern);
    if (found.length === 0) throw new SwaError('import.failed', `no file matches '${pattern}'`);
    paths.push(...found);
  }
  return paths;
}

/** Uses DuckDB's glob(), because Node 20 has none. */
async function filesOf(pattern: string): Promise<string[]> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll('SELECT file FROM glob($1) ORDER BY file', [pattern]);
    return reader.getRows().map(([file]) => String(file));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
