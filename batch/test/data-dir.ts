/** A data directory with a log and a master dataset, for tests of batch views. */
import { configWith, type Config } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import type { Fact } from '../../facts/fact.js';
import { encodeRecord } from '../../facts/record.js';
import type { NewRecord } from '../../log/log.js';
import { openLogWriter } from '../../log/open-log.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { tempDir } from '../../test/temp-dir.js';

export const testClock = (): number => 1_800_000_000_000;

export function makeDataDir(change: Partial<Config> = {}): Config {
  const dataDir = tempDir('batch');
  const config = configWith({ dataDir, partitions: 1, batchThreads: 1, batchMemory: '512MB', ...change });
  openDataDir(config);
  return config;
}

/** Appends the facts, then raw records like those of another producer, and stores all in the master dataset. */
export async function store(
  config: Config,
  facts: readonly Fact[],
  foreign: readonly NewRecord[] = [],
): Promise<void> {
  const log = await openLogWriter(config, testClock);
  try {
    const urls = new UrlRules();
    for (let from = 0; from < facts.length; from += 10_000) {
      await log.append(facts.slice(from, from + 10_000).map((fact) => encodeRecord(fact, urls)));
    }
    await log.append(foreign);
    await drainLogToMaster({ config, clock: testClock }, { log });
  } finally {
    await log.close();
  }
}
