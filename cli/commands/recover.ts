/**
 * `swa recover`: repairs what stops a role. Without flags it only reports what it found and would do. Nothing is deleted: damaged
 * files are moved to `<data>/damaged/`. It may be run again at any time, also after it was killed.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { batchLockPath } from '../../serving/batch-runs.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { makeDirDurable } from '../../lib/files/durable.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { logLockPath } from '../../log/open-log.js';
import { namesIn } from '../../log/stored.js';
import { sinkLockPath } from '../../master-data/layout.js';
import { recoverDataDir, type Recovery } from '../recovery.js';

interface Flags {
  readonly yes?: boolean;
  readonly skipGap?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addRecoverCommand(program: Command): void {
  program
    .command('recover')
    .description(
      'show what is damaged or missing and how to repair it; --yes repairs it (stop `swa start` first)',
    )
    .option('--yes', 'carry out every step that loses no facts')
    .option(
      '--skip-gap',
      'carry out the other steps too: accept the loss of the facts they name and record the gap',
    )
    .option('--dry-run', 'only show what would be done, even with --yes or --skip-gap')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const config = readConfig(process.env);
      if (!existsSync(config.dataDir))
        throw new SwaError('master.missing', `data directory '${config.dataDir}' does not exist`, {
          hint: 'set SWA_DATA_DIR to the directory to repair',
        });
      if (config.store !== '')
        throw new SwaError(
          'config.invalid',
          `SWA_STORE is set: ${config.store} has the facts, not this directory`,
          {
            hint: 'move master/ out of the data directory: the sink fetches what it needs',
          },
        );
      const repair = flags.dryRun !== true && (flags.yes === true || flags.skipGap === true);
      const locks = repair ? takeLocks(config) : [];
      try {
        const options = { repair, acceptLoss: flags.skipGap === true };
        const recovery = await recoverDataDir({ config, clock: systemClock }, options);
        process.stdout.write(
          flags.json === true ? `${JSON.stringify(recovery, null, 2)}\n` : describe(recovery),
        );
        const isDone = recovery.later.length === 0 && recovery.steps.every(({ done }) => done);
        process.exitCode = isDone ? 0 : 1;
      } finally {
        for (const lock of locks) lock.release();
      }
    });
}

/** Locks out the roles that use the files to be repaired. Throws `data-dir.in-use` if one is running. */
function takeLocks(config: Config): OwnerLock[] {
  const { dataDir } = config;
  makeDirDurable(roomOf(dataDir, 'locks'));
  const paths = [logLockPath(dataDir), sinkLockPath(dataDir), batchLockPath(dataDir)];
  const partitions = namesIn(roomOf(dataDir, 'locks')).filter((name) => /^speed-.*\.lock$/.test(name));
  const speed = partitions.map((name) => join(roomOf(dataDir, 'locks'), name));
  const held: OwnerLock[] = [];
  try {
    for (const path of [...paths, ...speed]) held.push(OwnerLock.acquire(path, 'recover'));
  } catch (error) {
    for (const lock of held) lock.release();
    throw error;
  }
  return held;
}

function describe({ steps, later }: Recovery): string {
  if (steps.length === 0 && later.length === 0)
    return 'nothing to recover: no file is missing or damaged, and there is no gap\n';
  const lines = steps.flatMap(({ finding, action, loses, done }) => [
    `found: ${finding}`,
    `  ${done ? 'done' : 'to do'}: ${action}`,
    ...(loses === null ? [] : [`  ${done ? 'lost' : 'loses'}: ${loses}`]),
  ]);
  const open = steps.filter(({ done }) => !done);
  if (open.some(({ loses }) => loses === null))
    lines.push('`swa recover --yes` carries out the steps that lose no facts');
  if (open.some(({ loses }) => loses !== null))
    lines.push('`swa recover --skip-gap` carries out all steps and accepts the loss');
  for (const text of later) lines.push(`not checked until then: ${text}`);
  if (open.length === 0)
    lines.push('run `swa verify`, then `swa batch run` for a view that the speed layer can follow');
  return `${lines.join('\n')}\n`;
}
