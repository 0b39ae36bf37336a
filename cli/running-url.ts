/** The address of the running system on a data directory, as its roles put it on the status board. */
import { systemClock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { isAtWork, readStatus, type Role } from '../lib/process/status.js';

/** 'http://127.0.0.1:8080' when that role runs and serves HTTP; else undefined. */
export function runningUrl(config: Pick<Config, 'dataDir'>, role: Role): string | undefined {
  const entry = readStatus(config.dataDir).find((one) => one.role === role && isAtWork(one, systemClock));
  const url = entry?.details['url'];
  return typeof url === 'string' ? url : undefined;
}
