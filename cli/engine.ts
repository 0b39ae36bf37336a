/** What computes batch runs, by the configuration: an engine around the core is loaded only where it is set. */
import type { EngineSource } from '../batch/tables/contract.js';
import type { Config } from '../lib/config/config.js';

/** Undefined for this machine's own threads. */
export function engineOf({ batchEngine }: Pick<Config, 'batchEngine'>): EngineSource | undefined {
  if (batchEngine === 'duckdb') return undefined;
  return { module: new URL('../cluster/spark/engine.js', import.meta.url).href, environment: process.env };
}
