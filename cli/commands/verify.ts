/** `swa verify`: an audit of facts and views from the files, which repairs nothing and says what it checked. */
import type { Command } from 'commander';
import { auditViews, type ViewsAudit } from '../../batch/recomputed-view.js';
import { showProgress } from '../../batch/progress-bar.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { openExistingLog } from '../../log/open-log.js';
import { messageOf } from '../../lib/errors/errors.js';
import type { Log } from '../../log/log.js';
import { verifyMaster, type MasterAudit } from '../../master-data/audit.js';
import { startProgress } from '../progress.js';

interface Flags {
  readonly json?: boolean;
  readonly recount: boolean;
  readonly exact?: boolean;
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description(
      'prove that every offset of the log below the master’s cut is in exactly one Parquet file, that the batch views are as they were written, and that the current one says what its facts say',
    )
    .option('--no-recount', 'skip recomputing the current view, which costs as much as a batch run')
    .option('--exact', 'also compare every cell with a recomputation in plain SQL (small data only)')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const config = readConfig(process.env);
      const master = await verifyFacts(config);
      const views = await verifyViews(config, flags);
      const ok = master.ok && views.ok;
      process.stdout.write(
        flags.json === true
          ? `${JSON.stringify({ ok, master, views }, null, 2)}\n`
          : `${[...describeMaster(master), ...describeViews(views)].join('\n')}\n`,
      );
      process.exitCode = ok ? 0 : 1;
    });
}

async function verifyFacts(config: Config): Promise<MasterAudit> {
  const progress = startProgress('verify', systemClock);
  let files = 0;
  let log: Log | undefined;
  try {
    const noLog = await openExistingLog(config).then(
      (opened) => void (log = opened),
      (error: unknown) => messageOf(error),
    );
    const audit = await verifyMaster(config.dataDir, log, {
      onFile: (file) => progress.show(++files, undefined, `${files} files, at ${file.path}`),
    });
    return noLog === undefined ? audit : { ...audit, ok: false, problems: [noLog, ...audit.problems] };
  } finally {
    progress.end();
    await log?.close();
  }
}

async function verifyViews(config: Config, { recount, exact = false }: Flags): Promise<ViewsAudit> {
  const display = showProgress(process.stderr);
  try {
    return await auditViews({ config, recount, exact, onProgress: display.onProgress });
  } finally {
    display.stop();
  }
}

function describeMaster({ ok, checked, cut, problems }: MasterAudit): string[] {
  const ends = Object.entries(cut?.next ?? {}).map(([name, next]) => `${name}=${next}`);
  return [
    ok ? 'the master dataset is whole' : 'the master dataset is NOT whole',
    `  checked ${checked.manifests} manifests and ${checked.files} files (${checked.sizeBytes} bytes, SHA-256) of ${checked.partitions} partitions`,
    `  ${checked.rows} rows, ${checked.invalidRows} of them records that are not facts`,
    ...(ok
      ? [
          `  every offset below the cut ${ends.join(' ')} is in exactly one file, or not in the log (${checked.holes})`,
        ]
      : []),
    ...(checked.holesUnseen > 0
      ? [
          `  ${checked.holesUnseen} offsets without a row were not given by the log, or lie below what it retains: they could not be compared`,
        ]
      : []),
    ...(checked.skippedOffsets > 0
      ? [
          `  ${checked.skippedOffsets} offsets were lost before they were stored: \`swa recover --skip-gap\` continued behind them`,
        ]
      : []),
    ...problems.map((problem) => `  problem: ${problem}`),
  ];
}

function describeViews({ ok, checked, recounted, notRecounted, problems }: ViewsAudit): string[] {
  return [
    ok ? 'the batch views are whole' : 'the batch views are NOT whole',
    `  ${checked.sound} views are as they were written: ${checked.files} files (${checked.sizeBytes} bytes, SHA-256)`,
    ...(recounted === undefined
      ? []
      : [`  ${recounted} serves; recomputed from the facts before its cut, it says the same`]),
    ...(notRecounted === undefined ? [] : [`  the current view was not recomputed: ${notRecounted}`]),
    ...problems.map((problem) => `  problem: ${problem}`),
  ];
}
