/** `swa verify`: an audit from the files, which changes nothing and says what it checked. */
import type { Command } from 'commander';
import { systemClock } from '../../lib/clock.js';
import { readConfig } from '../../lib/config/config.js';
import { openLog } from '../../lib/log/open-log.js';
import { verifyMaster, type MasterAudit } from '../../master-data/verify.js';
import { startProgress } from '../progress.js';

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('prove that every offset of the log below the master’s cut is in exactly one Parquet file')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const audit = await runVerify();
      process.stdout.write(flags.json === true ? `${JSON.stringify(audit, null, 2)}\n` : describe(audit));
      process.exitCode = audit.ok ? 0 : 1;
    });
}

async function runVerify(): Promise<MasterAudit> {
  const config = readConfig(process.env);
  const progress = startProgress('verify', systemClock);
  const log = await openLog(config, systemClock);
  let files = 0;
  try {
    return await verifyMaster(config.dataDir, log, {
      onFile: (file) => progress.show(++files, undefined, `${files} files, at ${file.path}`),
    });
  } finally {
    progress.end();
    await log.close();
  }
}

function describe(audit: MasterAudit): string {
  const { checked } = audit;
  const cut = Object.entries(audit.cut?.next ?? {}).map(([name, next]) => `${name}=${next}`);
  const lines = [
    audit.ok ? 'the master dataset is whole' : 'the master dataset is NOT whole',
    `  checked ${checked.manifests} manifests and ${checked.files} files (${checked.sizeBytes} bytes, SHA-256) of ${checked.partitions} partitions`,
    `  ${checked.rows} rows, ${checked.invalidRows} of them records that are no facts`,
    ...(audit.ok
      ? [
          `  every offset below the cut ${cut.join(' ')} is in exactly one file, or not in the log (${checked.holes})`,
        ]
      : []),
    ...(checked.holesUnseen > 0
      ? [
          `  ${checked.holesUnseen} offsets without a row lie below what the log retains: they could not be compared`,
        ]
      : []),
    ...audit.problems.map((problem) => `  problem: ${problem}`),
  ];
  return `${lines.join('\n')}\n`;
}
