/** `swa collector|sink|speed`: one role as a process. (`swa batch` and `swa query` are roles too; they have subcommands.) */
import type { Command } from 'commander';
import { runRole } from '../../lib/process/process.js';
import type { Role } from '../../lib/process/status.js';
import { startOf } from '../roles.js';

const descriptions = {
  collector: 'run the collector only: POST /v1/events into the log',
  sink: 'run the sink only: log to Parquet',
  speed: 'run the speed layer only: log to realtime views',
} as const;

export function addRoleCommands(program: Command): void {
  for (const role of ['collector', 'sink', 'speed'] as const) {
    program
      .command(role)
      .description(descriptions[role])
      .action(() => runRoleCommand(role));
  }
}

export async function runRoleCommand(role: Role): Promise<void> {
  await runRole(role, await startOf[role]());
}
