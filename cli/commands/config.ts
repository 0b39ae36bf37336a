/** `swa config`: every key, its value and where it came from. */
import type { Command } from 'commander';
import { describeConfig, readConfig } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import { table } from '../table.js';

export function addConfigCommand(program: Command): void {
  program
    .command('config')
    .description('print every configuration key with its value, origin and meaning')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => {
      const entries = describeConfig(process.env);
      if (options.json === true) process.stdout.write(`${JSON.stringify(entries, null, 2)}\n`);
      else process.stdout.write(table(['key', 'value', 'origin', 'meaning'], entries.map(rowOf)));
      check();
    });
}

/** Throws if the configuration is invalid, after the list, which shows the values. Drops the hint, which would name this command. */
function check(): void {
  try {
    readConfig(process.env);
  } catch (error) {
    throw error instanceof SwaError ? new SwaError(error.code, error.message) : error;
  }
}

function rowOf(entry: ReturnType<typeof describeConfig>[number]): readonly string[] {
  return [entry.env, entry.value === '' ? '-' : entry.value, entry.origin, entry.doc];
}
