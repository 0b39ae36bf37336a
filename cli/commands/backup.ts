/** `swa backup <dir>` and `swa restore <dir>`: copies the data directory at one cut, also while the system runs, and copies it back. */
import type { Command } from 'commander';
import { readConfig } from '../../lib/config/config.js';
import { systemClock } from '../../lib/time/clock.js';
import { backUp, restore, type Inventory, type OnFile } from '../backup.js';
import { startProgress } from '../progress.js';

interface Flags {
  readonly json?: boolean;
}

export function addBackupCommands(program: Command): void {
  program
    .command('backup <dir>')
    .description(
      'copy the facts and the published view into an empty directory, at one cut, also while `swa start` runs; if interrupted, run it again to continue',
    )
    .option('--json', 'as JSON')
    .action(async (dir: string, flags: Flags) => {
      const config = readConfig(process.env);
      const inventory = await withProgress('backup', (onFile) =>
        backUp({ config, clock: systemClock }, dir, onFile),
      );
      report(flags, inventory, `the backup in '${dir}' is complete`);
    });
  program
    .command('restore <dir>')
    .description(
      'copy a backup into the data directory, which must be empty or missing, and verify every file',
    )
    .option('--json', 'as JSON')
    .action(async (dir: string, flags: Flags) => {
      const { dataDir } = readConfig(process.env);
      const inventory = await withProgress('restore', (onFile) => restore(dir, dataDir, onFile));
      report(flags, inventory, `'${dataDir}' is restored: start the system there`);
    });
}

async function withProgress(label: string, work: (onFile: OnFile) => Promise<Inventory>): Promise<Inventory> {
  const progress = startProgress(label, systemClock);
  try {
    return await work(({ name }, done, total) =>
      progress.show(done, total, `${done} of ${total} files, at ${name}`),
    );
  } finally {
    progress.end();
  }
}

function report({ json }: Flags, { files, ...about }: Inventory, text: string): void {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ ...about, files: files.length, sizeBytes }, null, 2)}\n`);
    return;
  }
  const ends = Object.entries(about.cut?.next ?? {}).map(([name, next]) => `${name}=${next}`);
  const lines = [
    text,
    `  ${files.length} files (${sizeBytes} bytes, SHA-256), made ${new Date(about.madeAt).toISOString()}`,
    `  ${about.cut === null ? 'no facts yet' : `the facts before ${ends.join(' ')}`}${about.view === null ? '' : `, view ${about.view}`}`,
    ...(about.log === 'kafka'
      ? ['  facts that were not in the master dataset yet are only in Kafka, not in this backup']
      : []),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
