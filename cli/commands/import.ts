/** `swa import <files>`: imports web server logs or files of facts, and accounts for every line. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { newImportCounts, type ImportCounts } from '../../ingest/import-state.js';
import { followDefaults } from '../../ingest/follow.js';
import { RecordedImport } from '../../ingest/recorded-import.js';
import { importFile } from '../../ingest/import.js';
import type { LineReader } from '../../ingest/line-format.js';
import { newImportId } from '../../ingest/import-ledger.js';
import { checkFile } from '../../ingest/lines.js';
import { RejectFile, defaultRejectPath } from '../../ingest/reject-file.js';
import { takeThreadCount } from '../../ingest/take-threads.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { addressKey, openDataDir } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { makeRules } from '../../facts/rules.js';
import { openFactSink } from '../fact-sink.js';
import { addImportRecordCommands } from './import-records.js';
import { expandPaths } from '../import-paths.js';
import {
  addImportOptions,
  percentOf,
  storedFormat,
  visitorsNote,
  type ImportFlags,
} from '../import-flags.js';
import { DryRun, aboutOf, notesOf, summaryOf } from '../import-summary.js';
import { startProgress } from '../progress.js';
import { formatOfLogs } from '../roles.js';
import { WarningCounts } from '../warnings.js';

export function addImportCommand(program: Command): void {
  const command = program
    .command('import')
    .description('import web servers\' logs or facts: files, plain or gzip, or "-" for stdin')
    .argument('<files...>', 'the files');
  addImportRecordCommands(command);
  addImportOptions(command).action(async (files: string[], flags: ImportFlags) => {
    const config = readConfig(process.env);
    const paths = await expandPaths(files);
    process.exitCode =
      flags.background === true
        ? await leaveAsJobs(paths, flags, config)
        : await runImport(paths, flags, config);
  });
}

/** Puts the imports into the job queue, from which the collector's process runs them. Returns the exit code. */
async function leaveAsJobs(paths: readonly string[], flags: ImportFlags, config: Config): Promise<number> {
  if (paths.includes('-')) throw new SwaError('usage.invalid', '--background takes files, not stdin');
  for (const option of ['dryRun', 'follow'] as const)
    if (flags[option] === true)
      throw new SwaError('usage.invalid', '--background cannot be combined with --dry-run or --follow');
  const stored = await storedFormat(flags, config.dataDir);
  await formatOfLogs(stored, unusedKey); // throws here, not in the background, if the format is not valid
  for (const path of paths) await checkFile(path);
  openDataDir(config);
  const again = flags.again === true;
  const { dataDir } = config;
  await new RecordedImport({ dataDir, clock: systemClock, stored, paths, again }).check();
  const jobs = openJobQueue(config.dataDir, 'import', systemClock);
  try {
    for (const path of paths) {
      const importId = newImportId(systemClock());
      const id = jobs.add({
        requestedBy: 'swa import',
        requestedAt: systemClock(),
        file: resolve(path),
        format: stored,
        importId,
        again,
      });
      process.stdout.write(
        `import ${id} (${importId}) waits for the running system; \`swa status\` shows it\n`,
      );
    }
  } finally {
    await jobs.close();
  }
  return 0;
}

async function runImport(paths: readonly string[], flags: ImportFlags, config: Config): Promise<number> {
  const stored = await storedFormat(flags, config.dataDir);
  const key = flags.dryRun === true ? unusedKey : () => addressKey(config.dataDir);
  const format = await formatOfLogs(stored, key);
  const maxReject = percentOf(flags.maxReject);
  const isFollowing = flags.follow === true;
  if (isFollowing && format.rows !== undefined)
    throw new SwaError(
      'usage.invalid',
      `--follow reads logs line by line; format '${flags.format ?? 'auto'}' is a table`,
      {
        hint: 'import the file again when it has grown: rows that were imported before are recognized',
      },
    );
  if (isFollowing && (paths.length !== 1 || paths[0] === '-' || flags.dryRun === true))
    throw new SwaError(
      'usage.invalid',
      '--follow takes exactly one log file and cannot be combined with --dry-run',
      {
        hint: 'to follow several logs, run one import for each beside `swa start`',
      },
    );
  const { url: urls, bots } = makeRules(config);
  const sizes = await Promise.all(paths.map(async (path) => (path === '-' ? undefined : checkFile(path))));
  const totalBytes = sizes.reduce<number | undefined>(
    (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
    0,
  );
  const dryRun = flags.dryRun === true ? new DryRun() : undefined;
  if (dryRun === undefined) openDataDir(config);
  const { dataDir } = config;
  const clock = systemClock;
  const recorded =
    dryRun === undefined
      ? new RecordedImport({ dataDir, clock, stored, paths, again: flags.again === true })
      : undefined;
  await recorded?.check();
  const rejectPath =
    flags.rejects ??
    (dryRun === undefined ? defaultRejectPath(config.dataDir, paths[0] ?? '', systemClock) : undefined);
  const rejects = new RejectFile(rejectPath);
  const sink = dryRun === undefined ? await openFactSink(config, urls) : undefined;
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const progress = startProgress('import', systemClock);
  const begun = systemClock();
  const counts = newImportCounts();
  const warnings = new WarningCounts();
  const readers: { readonly path: string; readonly reader: LineReader }[] = [];
  let bytesBefore = 0;
  const into = sink === undefined ? 'nothing (--dry-run)' : `${sink.name} as import ${recorded?.id}`;
  process.stderr.write(`importing ${paths.join(', ')} into ${into}\n`);
  process.stderr.write(visitorsNote(flags, stored));
  const take: RecordedImport['take'] = async (options, counting) => {
    if (recorded === undefined) await importFile({ ...options, clock }, counting);
    else await recorded.take(options, counting);
  };
  try {
    recorded?.begin();
    // With --follow, a file ends when it is rotated; the next one has the same name.
    const files = isFollowing ? endless(paths) : paths.entries();
    for (const [i, path] of files) {
      await take(
        {
          path,
          format,
          sink: sink ?? dryRun ?? nowhere,
          urls,
          bots,
          threads: takeThreadCount(),
          signal: stop.signal,
          ...(isFollowing ? { follow: followDefaults } : {}),
          onOpened: (reader) => {
            if (isFollowing) readers.length = 0;
            readers.push({ path, reader });
          },
          onRejected: (line) => rejects.add(paths.length === 1 ? line : { file: path, ...line }),
          onWarning: (warning, line) => warnings.add(warning, line),
          onProgress: (now, bytes) =>
            progress.show(
              bytesBefore + bytes.readBytes,
              isFollowing ? undefined : totalBytes,
              `${now.read} lines, ${now.accepted} accepted`,
            ),
        },
        counts,
      );
      bytesBefore += sizes[i] ?? 0;
      if (stop.signal.aborted) break;
    }
    recorded?.end(counts);
  } finally {
    progress.end();
    await sink?.close();
    rejects.close();
    report({
      importId: recorded?.id,
      counts,
      rejects,
      warnings,
      readers,
      dryRun,
      elapsedMs: systemClock() - begun,
      json: flags.json === true,
    });
  }
  if (stop.signal.aborted && !isFollowing)
    throw new SwaError(
      'import.failed',
      `interrupted after ${counts.read} lines; facts already accepted are kept`,
    );
  return counts.rejected > (counts.read * maxReject) / 100 ? 3 : 0;
}

function* endless(paths: readonly string[]): Generator<[number, string]> {
  for (;;) yield* paths.entries();
}

/** Random key for addresses in facts that are not stored. */
const unusedKey = (): string => randomBytes(32).toString('hex');

const nowhere = { append: (): Promise<void> => Promise.resolve() };

interface Report {
  /** Undefined for a dry run. */
  readonly importId: string | undefined;
  readonly counts: ImportCounts;
  readonly rejects: RejectFile;
  readonly warnings: WarningCounts;
  readonly readers: readonly { readonly path: string; readonly reader: LineReader }[];
  readonly dryRun: DryRun | undefined;
  readonly elapsedMs: number;
  readonly json: boolean;
}

function report({ importId, counts, rejects, warnings, readers, dryRun, elapsedMs, json }: Report): void {
  const rejectPath = rejects.count > 0 ? (rejects.path ?? null) : null;
  if (json) {
    const files = readers.map(({ path, reader }) => ({ path, ...reader.about }));
    const dry =
      dryRun === undefined ? {} : { dryRun: true, times: dryRun.times ?? null, facts: dryRun.facts };
    process.stdout.write(
      `${JSON.stringify({ ...(importId === undefined ? {} : { importId }), ...counts, elapsedMs, rejects: rejectPath, files, ...dry })}\n`,
    );
    return;
  }
  const rate = Math.round((counts.read / Math.max(1, elapsedMs)) * 1000);
  for (const { path, reader } of readers) process.stdout.write(`${path}: ${aboutOf(reader)}\n`);
  process.stdout.write(summaryOf(counts));
  if (dryRun !== undefined) process.stdout.write(dryRun.text());
  process.stderr.write(`${(elapsedMs / 1000).toFixed(1)} s, ${rate} lines/s\n`);
  process.stderr.write(warnings.summary());
  process.stderr.write(notesOf(counts));
  if (importId !== undefined)
    process.stderr.write(`this was import ${importId}: \`swa import undo ${importId}\` takes it back\n`);
  for (const { file, line, reason } of rejects.first)
    process.stderr.write(`  ${file === undefined ? '' : `${file}, `}line ${line}: ${reason}\n`);
  if (rejectPath !== null)
    process.stderr.write(`${rejects.count} rejected lines with their reasons: ${rejectPath}\n`);
}
