/** `swa status`: every role, where it is, how far behind, and its last error. */
import type { Command } from 'commander';
import { systemClock } from '../../lib/clock.js';
import { readConfig } from '../../lib/config/config.js';
import { isAtWork, readStatus, type StatusEntry } from '../../lib/status.js';
import { table } from '../table.js';

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('show every layer: state, cut, lag, last error')
    .option('--json', 'as JSON')
    .action((flags: { json?: boolean }) => {
      const entries = readStatus(readConfig(process.env).dataDir);
      process.stdout.write(flags.json === true ? `${JSON.stringify(entries, null, 2)}\n` : describe(entries));
    });
}

function describe(entries: readonly StatusEntry[]): string {
  if (entries.length === 0) return 'nothing has run on this data directory yet: `swa start`\n';
  const rows = entries.map((entry) => [
    entry.worker === '0' ? entry.role : `${entry.role} ${entry.worker}`,
    stateOf(entry),
    `${Math.round((systemClock() - entry.updatedAt) / 1000)} s ago`,
    summary(entry.details),
    entry.lastError === null ? '-' : `${entry.lastError.code}: ${entry.lastError.message}`,
  ]);
  return table(['role', 'state', 'reported', 'details', 'last error'], rows);
}

function stateOf(entry: StatusEntry): string {
  const saysItWorks = entry.state === 'running' || entry.state === 'starting';
  return saysItWorks && !isAtWork(entry, systemClock) ? 'gone (its process died)' : entry.state;
}

/** The plain values of the details; nested ones are for --json. */
function summary(details: StatusEntry['details']): string {
  return Object.entries(details)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}
