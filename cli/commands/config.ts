/** `swa config`: every key, its value and where it came from. */
import type { Command } from 'commander';
import { describeConfig, readConfig } from '../../lib/config/config.js';
import { table } from '../table.js';

export function addConfigCommand(program: Command): void {
  program
    .command('config')
    .description('print every configuration key with its value, origin and meaning')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => {
      readConfig(process.env);
      const entries = describeConfig(process.env);
      if (options.json === true) process.stdout.write(`${JSON.stringify(entries, null, 2)}\n`);
      else process.stdout.write(table(['key', 'value', 'origin', 'meaning'], entries.map(rowOf)));
    });
}

function rowOf(entry: ReturnType<typeof describeConfig>[number]): readonly string[] {
  return [entry.env, entry.value === '' ? '-' : entry.value, entry.origin, entry.doc];
}
