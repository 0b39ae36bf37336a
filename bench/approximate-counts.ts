/**
 * The baseline of the batch layer: DuckDB's own `approx_count_distinct` by (url, hour) over the same Parquet files. It does not join identities and
 * stores nothing.
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { join } from 'node:path';
import { sqlText } from '../master-data/duckdb.js';
import type { SnapshotFile } from '../master-data/snapshot.js';
import { duckDbLimits } from './full-view.js';

export async function approximateCounts(files: readonly SnapshotFile[], dir: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(duckDbLimits.threads),
    memory_limit: duckDbLimits.memoryLimit,
    temp_directory: join(dir, 'spill'),
    preserve_insertion_order: 'false',
  });
  const connection = await instance.connect();
  const paths = files.filter((file) => file.topic === 'pageviews').map((file) => sqlText(file.path));
  await connection.run(
    `select count(*), sum(people) from (
       select url, timestamp // 3600000 as hour, approx_count_distinct(visitor) as people
       from read_parquet([${paths.join(', ')}]) group by all)`,
  );
  connection.closeSync();
  instance.closeSync();
}
