/** The rows of the bench, each loaded only when asked for. */
import type { BenchOptions, BenchResult } from './row.js';

export interface Row {
  readonly name: string;
  readonly load: () => Promise<{ run(options: BenchOptions): Promise<BenchResult> }>;
}

export const rows: readonly Row[] = [
  { name: 'collect', load: () => import('./collect.js') },
  { name: 'import', load: () => import('./import.js') },
  { name: 'log', load: () => import('./log.js') },
  { name: 'master', load: () => import('./master.js') },
  { name: 'sketch', load: () => import('./sketch.js') },
  { name: 'range', load: () => import('./range.js') },
  { name: 'http', load: () => import('./http.js') },
  { name: 'topology', load: () => import('./topology.js') },
  { name: 'threads', load: () => import('./threads.js') },
  { name: 'speed', load: () => import('./speed.js') },
  { name: 'speed-kafka', load: () => import('./speed-kafka.js') },
  { name: 'freshness', load: () => import('./freshness.js') },
  { name: 'bytes', load: () => import('./bytes.js') },
  { name: 'idle', load: () => import('./idle.js') },
  { name: 'soak', load: () => import('./soak.js') },
  { name: 'batch', load: () => import('./batch.js') },
  { name: 'batch-star', load: () => import('./batch-star.js') },
];
