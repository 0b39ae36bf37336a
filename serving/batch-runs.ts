/**
 * What became of every run: one small file each under `<data>/batch/runs/`, the newest hundred. A record says `running`
 * from the start; when its process is gone without an end, the run was killed. Written by the batch layer, shown by commands and
 * by the query layer, so it lies below them all.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { roomOf } from '../lib/files/data-dir.js';
import { systemCode } from '../lib/errors/errors.js';
import { makeDirDurable, replaceFile } from '../lib/files/durable.js';
import { removeScratch } from '../lib/files/removal.js';
import { readIfThere } from '../lib/files/read-if-there.js';
import type { Findings } from '../lib/errors/finding.js';
import { liveLockOwner } from '../lib/files/owner-lock.js';
import { validJson } from '../lib/files/valid-json.js';

const keptRuns = 100;

const recordSchema = z.object({
  id: z.string(),
  trigger: z.enum(['schedule', 'missed', 'upgrade', 'rules', 'request', 'command']),
  pid: z.number(),
  startedAt: z.number(),
  endedAt: z.number().nullable(),
  outcome: z.enum(['running', 'published', 'failed', 'killed']),
  viewId: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** Milliseconds by step. */
  durations: z.record(z.string(), z.number()),
  peakMemoryBytes: z.number().nullable(),
  statistics: z.record(z.string(), z.unknown()).nullable(),
});

/** One run, as kept and as `swa batch list` shows it. */
export type RunRecord = z.infer<typeof recordSchema>;
export type Trigger = RunRecord['trigger'];

/** What a run counted: the numbers of its statistics, such as `repeats`; none for a run without an end. */
export function countsOf({ statistics }: Pick<RunRecord, 'statistics'>): Readonly<Record<string, number>> {
  const numbers = Object.entries(statistics ?? {}).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return Object.fromEntries(numbers);
}

export function batchLockPath(dataDir: string): string {
  return join(roomOf(dataDir, 'locks'), 'batch-run.lock');
}

export function saveRun(dataDir: string, record: RunRecord): void {
  const dir = runsDir(dataDir);
  makeDirDurable(dir);
  replaceFile(join(dir, `${record.id}.json`), JSON.stringify(record, null, 2));
  for (const name of runNames(dataDir).slice(0, -keptRuns)) removeScratch(join(dir, name));
}

/** Oldest first. While a record says `running` this asks about the lock, see `liveLockOwner`. */
export function listRuns(dataDir: string): RunRecord[] {
  const runs = runNames(dataDir).flatMap((name) => readRun(join(runsDir(dataDir), name)) ?? []);
  if (!runs.some(({ outcome }) => outcome === 'running')) return runs;
  const live = liveLockOwner(batchLockPath(dataDir));
  return runs.map((run) =>
    run.outcome === 'running' && live?.pid !== run.pid ? { ...run, outcome: 'killed' as const } : run,
  );
}

/** Writes down which runs were killed. For the holder of the lock, before it saves a run of its own. */
export function settleKilledRuns(dataDir: string): void {
  for (const name of runNames(dataDir)) {
    const run = readRun(join(runsDir(dataDir), name));
    if (run?.outcome === 'running') saveRun(dataDir, { ...run, outcome: 'killed' });
  }
}

/** For the holder of the lock. Sorts by time, and behind every run before it when the clock has gone back since. */
export function newRunId(dataDir: string, startedAt: number, pid: number): string {
  const [day = '', time = ''] = runNames(dataDir).at(-1)?.split(/[TZ]/) ?? [];
  const lastAt = Date.parse(`${day}T${time.replaceAll('-', ':')}Z`);
  const at = Number.isNaN(lastAt) ? startedAt : Math.max(startedAt, lastAt + 1);
  return `${new Date(at).toISOString().replaceAll(':', '-')}-${pid}`;
}

/** Undefined for a record of another version, a damaged one, or one that is gone meanwhile. */
function readRun(path: string): RunRecord | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : validJson(recordSchema, text);
}

/** Records that cannot be read. */
export function auditRuns(dataDir: string, report: Findings): void {
  for (const name of runNames(dataDir)) {
    const path = join(runsDir(dataDir), name);
    const wayOn = 'delete it: nothing depends on it';
    const text = report.attempt(path, wayOn, () => readIfThere(path));
    if (text !== undefined && validJson(recordSchema, text) === undefined)
      report.add(`${path} is damaged: that run is not listed`, wayOn);
  }
}

function runsDir(dataDir: string): string {
  return join(roomOf(dataDir, 'batch'), 'runs');
}

function runNames(dataDir: string): string[] {
  try {
    return readdirSync(runsDir(dataDir))
      .filter((name) => name.endsWith('.json'))
      .toSorted();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
