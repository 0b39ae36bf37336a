/** The files that the arguments of an import name. */
import { existsSync } from 'node:fs';
import { SwaError } from '../lib/errors/errors.js';

/**
 * Patterns that the shell has left as they are (`'logs/*.gz'`, `**` for any depth) become the files they match, in the order of their
 * names; a file of that very name is itself. Throws `import.failed` for a pattern without files.
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

/** By DuckDB, which is there anyway; Node 20 cannot. */
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
