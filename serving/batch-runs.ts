/**
 * Records of batch runs: one small file per run under `<data>/batch/runs/`, the newest hundred. A record says `running` from the start; if its
 * process is gone and the record has no end, the run was killed. The batch layer writes them; commands and the query layer show them.
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

/** One run, as stored and as `swa batch list` shows it. */
export type RunRecord = z.infer<typeof recordSchema>;
export type Trigger = RunRecord['trigger'];

/** Numbers among a run's statistics, such as `repeats`; empty for a run that has not ended. */
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

/** All records, oldest first. If a record says `running`, checks the lock and shows runs whose process is gone as killed. */
export function listRuns(dataDir: string): RunRecord[] {
  const runs = runNames(dataDir).flatMap((name) => readRun(join(runsDir(dataDir), name)) ?? []);
  if (!runs.some(({ outcome }) => outcome === 'running')) return runs;
  const live = liveLockOwner(batchLockPath(dataDir));
  return runs.map((run) =>
    run.outcome === 'running' && live?.pid !== run.pid ? { ...run, outcome: 'killed' as const } : run,
  );
}

/** Marks runs that were killed. Only for the holder of the lock, before it saves its own run. */
export function settleKilledRuns(dataDir: string): void {
  for (const name of runNames(dataDir)) {
    const run = readRun(join(runsDir(dataDir), name));
    if (run?.outcome === 'running') saveRun(dataDir, { ...run, outcome: 'killed' });
  }
}

/** Id of a new run; only for the holder of the lock. Ids sort by time, and after all earlier runs even if the clock has gone back. */
export function newRunId(dataDir: string, startedAt: number, pid: number): string {
  const [day = '', time = ''] = runNames(dataDir).at(-1)?.split(/[TZ]/) ?? [];
  const lastAt = Date.parse(`${day}T${time.replaceAll('-', ':')}Z`);
  const at = Number.isNaN(lastAt) ? startedAt : Math.max(startedAt, lastAt + 1);
  return `${new Date(at).toISOString().replaceAll(':', '-')}-${pid}`;
}

/** Undefined if the record is of another version, damaged or gone. */
function readRun(path: string): RunRecord | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : validJson(recordSchema, text);
}

/** Reports records that cannot be read. */
export function auditRuns(dataDir: string, report: Findings): void {
  for (const name of runNames(dataDir)) {
    const path = join(runsDir(dataDir), name);
    const fix = 'delete it: nothing depends on it';
    const text = report.attempt(path, fix, () => readIfThere(path));
    if (text !== undefined && validJson(recordSchema, text) === undefined)
      report.add(`${path} is damaged: that run is not listed`, fix);
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
