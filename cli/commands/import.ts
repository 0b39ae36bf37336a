/** `swa import <file>`: a log or NDJSON file into the log, every line accounted for. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { ImportCounts } from '../../ingest/import-state.js';
import { combinedDefaults, visitorRules, type VisitorRule } from '../../ingest/combined.js';
import { importFile, newImportCounts, whyWaiting, type ImportFormat } from '../../ingest/import.js';
import { checkFile } from '../../ingest/lines.js';
import { systemClock } from '../../lib/time/clock.js';
import { readConfig } from '../../lib/config/config.js';
import { RejectFile, defaultRejectPath } from '../../ingest/reject-file.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { SwaError } from '../../lib/errors/errors.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { makeRules } from '../../facts/rules.js';
import { openFactSink } from '../fact-sink.js';
import { startProgress } from '../progress.js';
import { WarningCounts } from '../warnings.js';

interface ImportFlags {
  readonly format: 'combined' | 'ndjson';
  readonly host?: string;
  readonly scheme: 'http' | 'https';
  readonly visitor: VisitorRule;
  readonly method: string;
  readonly status: string;
  readonly keepStatic?: boolean;
  readonly maxReject: string;
  readonly rejects?: string;
  readonly background?: boolean;
  readonly json?: boolean;
}

export function addImportCommand(program: Command): void {
  program
    .command('import')
    .description('import a file of facts: plain or gzip, "-" for stdin')
    .argument('<file>', 'the file')
    .addOption(
      new Option('--format <name>', 'format of the lines')
        .choices(['combined', 'ndjson'])
        .makeOptionMandatory(),
    )
    .option('--host <name>', 'combined: the site the log belongs to (www.example.org)')
    .addOption(
      new Option('--scheme <name>', 'combined: scheme of the URLs')
        .choices(['http', 'https'])
        .default(combinedDefaults.scheme),
    )
    .addOption(
      new Option('--visitor <rule>', 'combined: what stands for a visitor')
        .choices([...visitorRules])
        .default(combinedDefaults.visitor),
    )
    .option('--method <list>', 'combined: methods that view a page', combinedDefaults.methods.join(','))
    .option('--status <list>', 'combined: status codes that count', combinedDefaults.statuses.join(','))
    .option('--keep-static', 'combined: count static files too')
    .option('--max-reject <percent>', 'exit 3 when more than this share of the lines is rejected', '1')
    .option('--rejects <file>', 'where rejected lines go (default: in the data directory)')
    .option('--background', 'leave it to the running system as a job, and return at once')
    .option('--json', 'print the counts as JSON')
    .action(async (file: string, flags: ImportFlags) => {
      process.exitCode =
        flags.background === true ? await leaveAsJob(file, flags) : await runImport(file, flags);
    });
}

/** Puts the import into the job queue; the collector's process works it off. */
async function leaveAsJob(path: string, flags: ImportFlags): Promise<number> {
  const config = readConfig(process.env);
  if (path === '-') throw new SwaError('usage.invalid', '--background takes a file, not stdin');
  const format = formatOf(flags);
  await checkFile(path);
  openDataDir(config);
  const jobs = openJobQueue(config.dataDir, 'import', systemClock);
  try {
    const id = jobs.add({
      requestedBy: 'swa import',
      requestedAt: systemClock(),
      file: resolve(path),
      format,
    });
    process.stdout.write(`import ${id} waits for the running system; \`swa status\` shows it\n`);
  } finally {
    await jobs.close();
  }
  return 0;
}

async function runImport(path: string, flags: ImportFlags): Promise<number> {
  const config = readConfig(process.env);
  const format = formatOf(flags);
  const maxReject = percent(flags.maxReject);
  openDataDir(config);
  const { url: urls } = makeRules({ queryAllow: config.urlQueryAllow, bots: config.bots });
  const rejects = new RejectFile(flags.rejects ?? defaultRejectPath(config.dataDir, path, systemClock));
  const sink = await openFactSink(config, urls);
  process.stderr.write(`importing ${path} into ${sink.name}\n`);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const progress = startProgress('import', systemClock);
  const begun = systemClock();
  const counts = newImportCounts();
  const warnings = new WarningCounts();
  try {
    await importFile(
      {
        path,
        format,
        sink,
        urls,
        clock: systemClock,
        signal: stop.signal,
        onRejected: (line) => rejects.add(line),
        onWarning: (warning, line) => warnings.add(warning, line),
        onProgress: (now, bytes) =>
          progress.show(bytes.readBytes, bytes.totalBytes, `${now.read} lines, ${now.accepted} accepted`),
      },
      counts,
    );
  } finally {
    progress.end();
    await sink.close();
    rejects.close();
    report(counts, rejects, warnings, systemClock() - begun, flags.json === true);
  }
  if (stop.signal.aborted)
    throw new SwaError('import.failed', `interrupted after ${counts.read} lines; what was accepted stays`);
  return counts.rejected > (counts.read * maxReject) / 100 ? 3 : 0;
}

function formatOf(flags: ImportFlags): ImportFormat {
  if (flags.format === 'ndjson') return { name: 'ndjson' };
  if (flags.host === undefined) {
    throw new SwaError('usage.invalid', 'missing option --host: the site the log belongs to', {
      hint: 'for example --host www.example.org',
    });
  }
  if (!/^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9A-Fa-f:]+\](:\d+)?$/.test(flags.host)) {
    throw new SwaError('usage.invalid', `--host is not a host name: '${flags.host}'`, {
      hint: 'for example --host www.example.org',
    });
  }
  const statuses = flags.status.split(',');
  const bad = statuses.find((status) => !/^\d(xx|\d\d)$/.test(status));
  if (bad !== undefined)
    throw new SwaError('usage.invalid', `--status takes codes like 2xx or 304, got '${bad}'`);
  return {
    name: 'combined',
    options: {
      host: flags.host,
      scheme: flags.scheme,
      visitor: flags.visitor,
      methods: flags.method.split(','),
      statuses,
      keepStatic: flags.keepStatic === true,
    },
  };
}

function percent(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100)) {
    throw new SwaError('usage.invalid', `--max-reject takes a percentage from 0 to 100, got '${text}'`);
  }
  return value;
}

function report(
  counts: ImportCounts,
  rejects: RejectFile,
  warnings: WarningCounts,
  elapsedMs: number,
  json: boolean,
): void {
  const rate = Math.round((counts.read / Math.max(1, elapsedMs)) * 1000);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ...counts, elapsedMs, rejects: rejects.count > 0 ? rejects.path : null })}\n`,
    );
    return;
  }
  const { read, accepted, duplicate, filtered, rejected, unconfirmed } = counts;
  const rest = unconfirmed === 0 ? '' : ` + unconfirmed ${unconfirmed}`;
  process.stdout.write(
    `read ${read} = accepted ${accepted} + duplicate ${duplicate} + filtered ${filtered} + rejected ${rejected}${rest}\n`,
  );
  process.stderr.write(`${(elapsedMs / 1000).toFixed(1)} s, ${rate} lines/s\n`);
  process.stderr.write(warnings.summary());
  if (counts.nulBytes > 0) process.stderr.write(`skipped ${counts.nulBytes} NUL bytes\n`);
  const waiting = whyWaiting(counts);
  if (waiting !== undefined) process.stderr.write(`${waiting}\n`);
  for (const line of rejects.first) process.stderr.write(`  line ${line.line}: ${line.reason}\n`);
  if (rejects.count > 0)
    process.stderr.write(`${rejects.count} rejected lines with their reasons: ${rejects.path}\n`);
}
