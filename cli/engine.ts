/** Chooses the engine that computes batch runs, by the configuration. */
import type { EngineSource } from '../batch/tables/contract.js';
import type { Config } from '../lib/config/config.js';

/** Undefined for the built-in engine, which runs on this machine. */
export function engineOf({ batchEngine }: Pick<Config, 'batchEngine'>): EngineSource | undefined {
  if (batchEngine === 'duckdb') return undefined;
  return { module: new URL('../cluster/spark/engine.js', import.meta.url).href, environment: process.env };
}
