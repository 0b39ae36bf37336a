/** `swa recover`: the ways on from what stops the system because facts are lost. Each is asked for by name. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { systemClock } from '../../lib/clock.js';
import { readConfig } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors.js';
import { openLog } from '../../lib/log/open-log.js';
import { skipGaps, type SkippedGap } from '../../master-data/recover.js';

interface Flags {
  readonly skipGap?: boolean;
  readonly json?: boolean;
}

export function addRecoverCommand(program: Command): void {
  program
    .command('recover')
    .description('go on after a loss of facts; stop the sink (or `swa start`) first')
    .option(
      '--skip-gap',
      'the log has dropped facts before they were stored: record the gap, go on behind it',
    )
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      if (flags.skipGap !== true) {
        throw new SwaError('usage.invalid', 'swa recover needs to be told what to accept', {
          hint: 'swa recover --skip-gap accepts the loss of facts that the log has dropped before they were stored',
        });
      }
      const config = readConfig(process.env);
      if (!existsSync(config.dataDir))
        throw new SwaError('master.missing', `there is no data directory '${config.dataDir}'`, {
          hint: 'set SWA_DATA_DIR to the one that is to go on',
        });
      const log = await openLog(config, systemClock);
      try {
        const gaps = await skipGaps({ config, clock: systemClock }, log);
        process.stdout.write(flags.json === true ? `${JSON.stringify({ gaps }, null, 2)}\n` : describe(gaps));
      } finally {
        await log.close();
      }
    });
}

function describe(gaps: readonly SkippedGap[]): string {
  if (gaps.length === 0)
    return 'there is no gap: the log begins at or before the end of the master dataset\n';
  const lines = gaps.map(
    ({ partition, fromOffset, toOffset, manifest }) =>
      `${partition}: skipped ${toOffset - fromOffset} offsets, ${fromOffset} to ${toOffset - 1} (in manifest ${manifest})\n`,
  );
  return `${lines.join('')}the sink goes on behind them; run \`swa batch run\` for a view that the speed layer can follow\n`;
}
