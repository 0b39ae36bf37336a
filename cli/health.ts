/**
 * Whether one role is running, as an exit code: what a container's health check runs (`node dist/cli/health.js sink`).
 * The status board says that the role runs and its process lives; a role that serves HTTP must answer, too. Where several
 * containers show a worker of one role on the board, each looks at its own.
 */
import { readlinkSync } from 'node:fs';
import { systemClock } from '../lib/time/clock.js';
import { readConfig } from '../lib/config/config.js';
import { isAtWork, readStatus, type StatusEntry } from '../lib/process/status.js';

const role = process.argv[2];
const { dataDir } = readConfig(process.env);
const entry = readStatus(dataDir).find(
  (candidate) => candidate.role === role && isAtWork(candidate, systemClock) && isOfThisContainer(candidate),
);
const url = entry?.details['url'];
const healthy = entry?.state === 'running' && (typeof url !== 'string' || (await answers(url)));
process.stdout.write(`${role}: ${healthy ? 'at work' : (entry?.lastError?.message ?? 'not at work')}\n`);
process.exitCode = healthy ? 0 : 1;

/** By the mounts its process sees; true where the system does not tell. */
function isOfThisContainer({ pid }: StatusEntry): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt');
  } catch {
    return true;
  }
}

async function answers(origin: string): Promise<boolean> {
  try {
    const { status } = await fetch(new URL('/healthz', origin), { signal: AbortSignal.timeout(3000) });
    return status < 500;
  } catch {
    return false;
  }
}
