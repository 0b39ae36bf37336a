/** Finds the pairs of edges that are too old, by the texts in the master dataset, for their erasure (facts/aged-edges.ts). */
import { agedEdgesOf, maxAgedPairs } from '../facts/aged-edges.js';
import type { ErasureHash } from '../facts/erasures.js';
import type { Config } from '../lib/config/config.js';
import { roomOf } from '../lib/files/data-dir.js';
import { removeScratch } from '../lib/files/removal.js';
import { textIn } from '../master-data/columns.js';
import { openDuckDb } from '../master-data/duckdb.js';
import { masterDir } from '../master-data/layout.js';
import type { Snapshot } from '../master-data/snapshot.js';
import { sqlIsTime, sqlSnapshot } from './tables/master-facts.js';
import { join } from 'node:path';

/**
 * Content of the file of pairs, 16 bytes each; at most `maxAgedPairs`.
 * @param olderThan edges with an earlier timestamp are too old if neither id has a pageview since, UTC ms
 */
export async function agedPairs(
  { dataDir, batchMemory, batchThreads }: Config,
  snapshot: Snapshot,
  olderThan: number,
  hash: ErasureHash,
): Promise<Buffer> {
  const tempDirectory = join(roomOf(dataDir, 'batch'), 'aged-pairs');
  const database = await openDuckDb({
    allowedDirectories: [masterDir(dataDir), tempDirectory],
    tempDirectory,
    memoryLimit: batchMemory,
    threads: batchThreads,
  });
  try {
    const rows = await database.connection.stream(
      `with edge as (
         select distinct a, b from ${sqlSnapshot('equivs', snapshot)}
         where kind in ('equiv', 'retract') and timestamp < ${olderThan} and a is not null and b is not null
       ), old_id as (select distinct unnest([a, b]) as visitor from edge),
       seen as (
         select distinct visitor from ${sqlSnapshot('pageviews', snapshot)} semi join old_id using (visitor)
         where timestamp >= ${olderThan} and ${sqlIsTime} and url <> ''
       )
       select encode(a), encode(b) from edge where not (a in (from seen) or b in (from seen)) limit ${maxAgedPairs}`,
    );
    const hashes = new Map<string, Buffer>();
    for await (const chunk of rows) {
      for (let row = 0; row < chunk.rowCount; row++) {
        const pair = hash.ofPair({
          a: textIn(chunk.getColumnVector(0), row),
          b: textIn(chunk.getColumnVector(1), row),
        });
        hashes.set(pair.toString('latin1'), pair);
      }
    }
    return agedEdgesOf([...hashes.values()]);
  } finally {
    database.close();
    removeScratch(tempDirectory);
  }
}
