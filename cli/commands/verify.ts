/** `swa verify`: audits the whole data directory from its files. Reports what is wrong and what to do; repairs nothing. */
import type { Command } from 'commander';
import type { ViewsAudit } from '../../batch/recomputed-view.js';
import { showProgress } from '../../batch/progress-bar.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import type { PartitionName } from '../../log/log.js';
import type { MasterAudit } from '../../master-data/audit.js';
import type { PinnedSnapshot } from '../../master-data/pins.js';
import { startProgress } from '../progress.js';
import { openSharedIfSet } from '../shared.js';
import { verifyDataDir, type Verification } from '../verification.js';

interface Flags {
  readonly json?: boolean;
  readonly recount: boolean;
  readonly exact?: boolean;
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description(
      'check that every fact is stored exactly once, that log, master dataset, realtime stores, batch views and job queues are intact, and that the published view matches its facts; changes nothing',
    )
    .option('--no-recount', 'skip recomputing the current view, which costs as much as a batch run')
    .option('--exact', 'also compare every cell with a recomputation in plain SQL (small data only)')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const found = await verify(readConfig(process.env), flags);
      process.stdout.write(
        flags.json === true ? `${JSON.stringify(found, null, 2)}\n` : `${describe(found).join('\n')}\n`,
      );
      process.exitCode = found.ok ? 0 : 1;
    });
}

async function verify(config: Config, { recount, exact = false }: Flags): Promise<Verification> {
  const progress = startProgress('verify', systemClock);
  const display = showProgress(process.stderr);
  let files = 0;
  const shared = await openSharedIfSet({ config, clock: systemClock });
  let facts: PinnedSnapshot | undefined;
  try {
    await shared?.master.pull();
    facts = await shared?.fetchFacts('swa verify');
    return await verifyDataDir(
      { config, clock: systemClock },
      {
        recount,
        exact,
        onFile: (path) => progress.show(++files, undefined, `${files} files, at ${path}`),
        onProgress: display.onProgress,
      },
    );
  } finally {
    facts?.release();
    shared?.close();
    progress.end();
    display.stop();
  }
}

function describe({ findings, leftovers, log, stores, deadLetters, ...found }: Verification): string[] {
  const ranges = Object.entries(log?.end ?? {}).map(
    ([name, end]) => `${name} ${log?.begin[name as PartitionName]}..${end}`,
  );
  return [
    ...(found.master === null ? ['there is no master dataset'] : describeMaster(found.master)),
    ...describeViews(found.views),
    log === null ? 'there is no log' : `the log ${log.id} has offsets ${ranges.join(', ')}`,
    `${stores.whole} realtime stores are intact (${stores.records} records), ${deadLetters} dead letters`,
    ...leftovers.map(({ finding, fix }) => `  left over: ${finding}; fix: ${fix}`),
    findings.length === 0 ? 'nothing is wrong' : `${findings.length} findings`,
    ...findings.map(({ finding, fix }) => `  problem: ${finding}; fix: ${fix}`),
  ];
}

function describeMaster({ ok, checked, cut }: MasterAudit): string[] {
  const ends = Object.entries(cut?.next ?? {}).map(([name, next]) => `${name}=${next}`);
  return [
    ok ? 'the master dataset is intact' : 'the master dataset is NOT intact',
    `  checked ${checked.manifests} manifests and ${checked.files} files (${checked.sizeBytes} bytes, SHA-256) of ${checked.partitions} partitions`,
    `  ${checked.rows} rows, ${checked.invalidRows} of them records that are not facts`,
    ...(ok
      ? [
          `  every offset below the cut ${ends.join(' ')} is in exactly one file, or is not in the log (${checked.holes})`,
        ]
      : []),
    ...(checked.holesUnseen > 0
      ? [
          `  ${checked.holesUnseen} offsets without a row are no longer in the log, or it does not return them: they could not be compared`,
        ]
      : []),
    ...(checked.skippedOffsets > 0
      ? [
          `  ${checked.skippedOffsets} offsets were lost before they were stored: \`swa recover --skip-gap\` continued after them`,
        ]
      : []),
  ];
}

function describeViews({ ok, checked, recounted, notRecounted }: ViewsAudit): string[] {
  return [
    ok ? 'the batch views are intact' : 'the batch views are NOT intact',
    `  ${checked.sound} views are as they were written: ${checked.files} files (${checked.sizeBytes} bytes, SHA-256)`,
    ...(recounted === undefined
      ? []
      : [`  ${recounted} is published; a recomputation from the facts before its cut gives the same result`]),
    ...(notRecounted === undefined ? [] : [`  the current view was not recomputed: ${notRecounted}`]),
  ];
}
