/** What the workload is made of; read by the process under the shim and by the test that checks on it. */
import { configWith, type Config } from '../../lib/config/config.js';
import type { EquivEdge, Pageview } from '../../facts/fact.js';
import { equiv, hour0, pageview, rules } from '../../speed/test/facts.js';
import { hourMs } from '../../lib/time/buckets.js';

export type WorkloadPart = 'log' | 'sink' | 'batch' | 'trim' | 'pointers' | 'jobs';

export const workloadRules = rules;

/** Small segments, a Parquet file for each fact, and nothing kept that need not be. */
export function workloadConfig(dataDir: string): Config {
  return configWith({
    dataDir,
    partitions: 1,
    segmentBytes: 1_500,
    sinkMaxRows: 1,
    dedupWindow: 0,
    batchKeepViews: 1,
    retainBatches: 1,
    batchThreads: 1,
    batchMemory: '256MB',
  });
}

/** The fact of a number, always the same. */
export function workloadFact(i: number): Pageview | EquivEdge {
  const eventId = `fact-${i}`;
  if (i % 4 === 3) return equiv(`user:${i}`, `user:${i % 3}`, { eventId });
  return pageview(`user:${i % 7}`, `https://example.com/${i % 3}`, {
    eventId,
    timestamp: (hour0 + (i % 5)) * hourMs,
  });
}
