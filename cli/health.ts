/**
 * Health check of the container image: exits with 0 if everything in this container works. Every role that a process of
 * the container shows on the status board must be running, and one that serves HTTP must answer.
 *
 *     node dist/cli/health.js [role]
 *
 * With a role, it checks that role only.
 */
import { readlinkSync } from 'node:fs';
import { listErasures } from '../facts/erasure-records.js';
import { overdueErasures } from '../facts/overdue-erasures.js';
import { readConfig } from '../lib/config/config.js';
import { isAtWork, pidSpace, readStatus, type StatusEntry } from '../lib/process/status.js';
import { systemClock } from '../lib/time/clock.js';

const role = process.argv[2];
const { dataDir, erasureHours } = readConfig(process.env);
const entries = readStatus(dataDir).filter(
  (entry) => (role === undefined || entry.role === role) && isOfThisContainer(entry),
);
const problems = await Promise.all(entries.map(problemOf));
if (entries.length === 0)
  problems.push(role === undefined ? 'no role is running here' : `${role} is not running here`);
const found = problems.filter((problem) => problem !== undefined);
const names = entries.map((entry) => entry.role).join(', ');
// Shown, but no reason to restart a container.
const late = overdueErasures(listErasures(dataDir), { now: systemClock(), hours: erasureHours });
const stored = found.length === 0 ? [`at work: ${names}`] : found;
process.stdout.write(`${[...stored, ...late.map(({ message }) => message)].join('; ')}\n`);
process.exitCode = found.length === 0 ? 0 : 1;

async function problemOf(entry: StatusEntry): Promise<string | undefined> {
  if (entry.state !== 'running' || !isAtWork(entry, systemClock))
    return `${entry.role}: ${entry.lastError?.message ?? `state ${entry.state}, not heard of lately`}`;
  const { url } = entry.details;
  if (typeof url === 'string' && !(await answers(url))) return `${entry.role}: ${url} does not answer`;
  return undefined;
}

/** Whether the entry's process is alive and in this program's mount namespace; true if the system has no /proc. */
function isOfThisContainer({ pid, pidSpace: space }: StatusEntry): boolean {
  if (space !== pidSpace()) return false; // written by an earlier or another container
  let mounts: string;
  try {
    mounts = readlinkSync('/proc/self/ns/mnt');
  } catch {
    return true;
  }
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) === mounts;
  } catch {
    return false;
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
