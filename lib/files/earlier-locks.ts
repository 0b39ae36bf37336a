/**
 * Lock files of versions from before kernel locks: each named its owner by process id and start time. They have no
 * effect now, but one whose owner is alive shows that such a version is using this data directory.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { removeScratch } from './removal.js';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { SwaError, systemCode } from '../errors/errors.js';
import { validJson } from './valid-json.js';
import { readIfThere } from './read-if-there.js';

const places = ['log/writer.lock', 'master/sink.lock', 'batch/run.lock', 'batch/audit.lock'] as const;

const ownerSchema = z.object({
  token: z.string(),
  pid: z.number(),
  startTicks: z.string(),
  host: z.string(),
  what: z.string(),
});

/**
 * Removes lock files of earlier versions. Throws `data-dir.in-use` if such a version is running, as far as this process
 * can see: on this host, in this process id namespace.
 */
export function clearEarlierLocks(dataDir: string): void {
  const locksDir = join(dataDir, 'locks');
  const speed = readdirSync(locksDir).filter((name) => name.startsWith('speed-'));
  for (const path of [
    ...places.map((place) => join(dataDir, place)),
    ...speed.map((name) => join(locksDir, name)),
  ]) {
    const text = readIfThere(path);
    const owner = text === undefined ? undefined : validJson(ownerSchema, text);
    if (owner !== undefined && owner.host === hostname() && startTicks(owner.pid) === owner.startTicks) {
      throw new SwaError(
        'data-dir.in-use',
        `an earlier version of swa is using '${dataDir}': ${owner.what} (pid ${owner.pid} on ${owner.host}) holds ${path}`,
        { hint: 'stop that process first; if this is a copy of its data directory, delete that file' },
      );
    }
    // Files in locks/ stay: this version uses the same names.
    if (text !== undefined && !path.startsWith(locksDir)) removeScratch(path);
  }
}

/**
 * Returns when a process started, in clock ticks since boot (Linux); undefined if there is no such process or the
 * system does not tell.
 */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
