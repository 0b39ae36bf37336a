/** `swa status`: state, position, lag and last error of every role, then the imports in the job queue. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import type { ImportState } from '../../ingest/import-state.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { listErasures } from '../../facts/erasure-records.js';
import { overdueErasures } from '../../facts/overdue-erasures.js';
import { isEmptyQueue } from '../../log/queue/queue-look.js';
import type { LeasedJob } from '../../log/queue/job-queue.js';
import { describeError } from '../../lib/errors/describe-error.js';
import { hasCode } from '../../lib/errors/errors.js';
import { isAtWork, readStatus, type LastError, type StatusEntry } from '../../lib/process/status.js';
import { table } from '../table.js';

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('show every layer: state, cut, lag, last error')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const config = readConfig(process.env);
      const { dataDir } = config;
      const entries = [...readStatus(dataDir), ...(await readNodes(config))];
      const problems = overdue(config);
      if (flags.json === true) process.stderr.write(problems); // the array on stdout is of roles
      process.stdout.write(
        flags.json === true
          ? `${JSON.stringify(entries, null, 2)}\n`
          : describe(entries) + problems + (await describeQueue(entries, dataDir)),
      );
    });
}

/** A line for each erasure that takes too long; '' if there is none. */
function overdue({ dataDir, erasureHours: hours }: Config): string {
  return overdueErasures(listErasures(dataDir), { now: systemClock(), hours })
    .map(({ message }) => `problem: ${message}\n`)
    .join('');
}

/** Speed workers and query processes of other hosts. */
async function readNodes(config: Config): Promise<StatusEntry[]> {
  if (config.store === '' || config.speedSecret === '') return [];
  try {
    return await (await import('../../cluster/realtime/node-status.js')).readNodeStatus(config, systemClock);
  } catch (error) {
    if (!hasCode(error, 'store.unavailable', 'store.unusable', 'store.corrupt')) throw error;
    process.stderr.write(`other hosts are not shown: ${describeError(error)}\n`);
    return [];
  }
}

function describe(entries: readonly StatusEntry[]): string {
  if (entries.length === 0) return 'nothing has run on this data directory yet: `swa start`\n';
  const rows = entries.map((entry) => [
    entry.worker === '0' ? entry.role : `${entry.role} ${entry.worker}`,
    stateOf(entry),
    `${Math.round((systemClock() - entry.updatedAt) / 1000)} s ago`,
    summary(entry.details),
    entry.lastError === null ? '-' : describeLast(entry.lastError),
  ]);
  return (
    table(['role', 'state', 'reported', 'details', 'last error'], rows) +
    topologies(entries) +
    sites(entries) +
    warnings(entries)
  );
}

function describeLast({ code, message, hint }: LastError): string {
  return `${code}: ${message}${hint === undefined ? '' : ` (hint: ${hint})`}`;
}

const countersSchema = z.record(
  z.string(),
  z.object({
    tasks: z.number(),
    emitted: z.number(),
    acked: z.number(),
    failed: z.number(),
    latencyMs: z.number(),
  }),
);

/** Table of the speed layer's running topologies; '' if there are none. */
function topologies(entries: readonly StatusEntry[]): string {
  const rows = entries.flatMap(({ details, worker }) =>
    Object.entries(countersSchema.safeParse(details['topology']).data ?? {}).map(([component, counters]) => [
      worker === '0' ? component : `${component} (worker ${worker})`,
      ...[counters.tasks, counters.emitted, counters.acked, counters.failed].map(String),
      `${counters.latencyMs.toFixed(1)} ms`,
    ]),
  );
  if (rows.length === 0) return '';
  return `\n${table(['topology', 'tasks', 'emitted', 'acked', 'failed', 'latency'], rows)}`;
}

const siteCountsSchema = z.record(
  z.string(),
  z.object({
    accepted: z.number(),
    rejected: z.number(),
    refused: z.number(),
    unproven: z.number(),
    ignored: z.record(z.string(), z.number()),
  }),
);
/** Maximum number of ignored event names in a row; --json shows all. */
const maxNames = 5;

/** Table of the events received from each site's pages; '' if there are none. */
function sites(entries: readonly StatusEntry[]): string {
  const rows = entries.flatMap(({ details }) =>
    Object.entries(siteCountsSchema.safeParse(details['sites']).data ?? {}).map(([site, counts]) => [
      site,
      ...[counts.accepted, counts.rejected, counts.refused, counts.unproven].map(String),
      namesOf(counts.ignored),
    ]),
  );
  if (rows.length === 0) return '';
  return `\n${table(['site', 'accepted', 'rejected', 'refused', 'unproven', 'ignored'], rows)}`;
}

function namesOf(ignored: Readonly<Record<string, number>>): string {
  const names = Object.entries(ignored).toSorted(([, a], [, b]) => b - a);
  if (names.length === 0) return '-';
  const shown = names.slice(0, maxNames).map(([name, count]) => `${name}=${count}`);
  return shown.join(', ') + (names.length > maxNames ? `, and ${names.length - maxNames} more` : '');
}

/** Warnings that roles report, one per line. */
function warnings(entries: readonly StatusEntry[]): string {
  const lines = entries.flatMap(({ role, details }) => {
    const texts = details['warnings'];
    return Array.isArray(texts) ? texts.map((text) => `warning of the ${role}: ${String(text)}\n`) : [];
  });
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}

function stateOf(entry: StatusEntry): string {
  if (isGone(entry)) return 'gone (its process died)';
  return entry.restarts === 0 ? entry.state : `${entry.state} (started again ${entry.restarts} times)`;
}

function isGone(entry: StatusEntry): boolean {
  const saysItWorks = entry.state === 'running' || entry.state === 'starting';
  return saysItWorks && !isAtWork(entry, systemClock);
}

/** Scalar values of the details; --json shows nested ones too. */
function summary(details: StatusEntry['details']): string {
  return Object.entries(details)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => `${name}=${isTime(name, value) ? new Date(value).toISOString() : String(value)}`)
    .join(' ');
}

/** Table of the imports, or the error if their queue cannot be read. */
async function describeQueue(entries: readonly StatusEntry[], dataDir: string): Promise<string> {
  try {
    return describeImports(await importStates(entries), await importJobs(dataDir));
  } catch (error) {
    if (!hasCode(error, 'data-dir.unusable')) throw error;
    return `\n${describeError(error)}\n`;
  }
}

/** Times on the status board are UTC milliseconds under names such as `lastReceivedAt`. */
function isTime(name: string, value: unknown): value is number {
  return name.endsWith('At') && typeof value === 'number';
}

/** Imports in the queue. Does not create the queue if it is missing. */
async function importJobs(dataDir: string): Promise<readonly LeasedJob<'import'>[]> {
  const dir = join(roomOf(dataDir, 'jobs'), 'import');
  if (!existsSync(join(dir, 'data.mdb')) || isEmptyQueue(dir)) return [];
  const { openJobQueue } = await import('../../log/queue/job-queue.js');
  const jobs = openJobQueue(dataDir, 'import', systemClock);
  try {
    return jobs.list();
  } finally {
    await jobs.close();
  }
}

/** The last import each collector reported. Loads the schema only if there is one. */
async function importStates(entries: readonly StatusEntry[]): Promise<readonly ImportState[]> {
  const reporting = entries.filter(({ details }) => (details['import'] ?? null) !== null);
  if (reporting.length === 0) return [];
  const { importStateSchema } = await import('../../ingest/import-state.js');
  return reporting.flatMap((entry): readonly ImportState[] => {
    const { data } = importStateSchema.safeParse(entry.details['import']);
    if (data === undefined) return [];
    return [data.state === 'running' && isGone(entry) ? { ...data, state: 'interrupted' } : data];
  });
}

/** Table of the reported imports, then of those that wait; '' if there are none. */
function describeImports(states: readonly ImportState[], jobs: readonly LeasedJob<'import'>[]): string {
  const waiting = jobs.filter(({ id }) => !states.some((state) => state.job === id));
  if (states.length + waiting.length === 0) return '';
  return `\n${table(
    ['import', 'state', 'read', 'accepted', 'rejected', 'note'],
    [
      ...states.map((one) => [
        one.file,
        one.state,
        String(one.read),
        String(one.accepted),
        String(one.rejected),
        one.note ?? '-',
      ]),
      ...waiting.map(({ job }) => [job.file, 'waiting', '-', '-', '-', '-']),
    ],
  )}`;
}
