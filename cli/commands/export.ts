/** `swa export`: the facts as NDJSON or Parquet, of one person or all of them. */
import { chmodSync, createWriteStream, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Option, type Command } from 'commander';
import { canBeErased } from '../../facts/erasure-records.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import { show } from '../../lib/errors/show.js';
import { checkDataDir } from '../../lib/files/data-dir.js';
import { fsyncFile } from '../../lib/files/durable.js';
import { moveDurably, removeScratch } from '../../lib/files/removal.js';
import { systemClock } from '../../lib/time/clock.js';
import { openExistingLog } from '../../log/open-log.js';
import { openDuckDb, type DuckDb } from '../../master-data/duckdb.js';
import { exportedLines, exportParquet, type ExportCounts } from '../../master-data/export.js';
import { masterDir } from '../../master-data/layout.js';
import { snapshotToLookAt } from '../../master-data/pins.js';
import type { Snapshot } from '../../master-data/snapshot.js';
import { catchUpMaster } from '../../master-data/role.js';
import { idsOfPersonNow } from '../persons.js';
import { openSharedIfSet } from '../shared.js';

interface Flags {
  readonly visitor?: string;
  readonly person?: string;
  readonly format: 'ndjson' | 'parquet';
  readonly out?: string;
}

/** Maximum time to wait for the facts of the last seconds. */
const catchUpTimeoutMs = 60_000;

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('all facts, or those of one person, as `swa import` takes them')
    .option('--visitor <id>', 'facts with this visitor id alone')
    .option('--person <id>', 'facts with any id of the person who has this one')
    .addOption(
      new Option('--format <name>', 'format of the facts').choices(['ndjson', 'parquet']).default('ndjson'),
    )
    .option('--out <file>', 'file to write, which must not exist (default for ndjson: stdout)')
    .action((flags: Flags) => write(flags));
}

async function write({ visitor, person, format, out }: Flags): Promise<void> {
  const config = readConfig(process.env);
  if (visitor !== undefined && person !== undefined)
    throw new SwaError('usage.invalid', 'give one of --visitor and --person, or none for all facts');
  if (format === 'parquet' && out === undefined)
    throw new SwaError('usage.invalid', '--format parquet needs --out, the file to write');
  if (out !== undefined && existsSync(out))
    throw new SwaError('usage.invalid', `--out: ${out} exists already; it was not changed`);
  const named = visitor ?? person;
  if (named !== undefined && !canBeErased(named))
    throw new SwaError('usage.invalid', `not a visitor id: ${show(named)}`);
  checkDataDir(config);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  const shared = await openSharedIfSet({ config, clock: systemClock });
  const counts: ExportCounts = { facts: 0, invalid: 0, erasures: 0 };
  let ids: readonly string[] | undefined;
  let asOf: string | undefined;
  try {
    if (shared === undefined) await catchUp(config);
    const pinned =
      shared === undefined ? snapshotToLookAt(config.dataDir, 'swa export') : await shared.prepare();
    try {
      const known = person === undefined ? undefined : await idsOfPersonNow(config, person);
      ids = known?.ids ?? (visitor === undefined ? undefined : [visitor]);
      asOf = known?.asOf;
      const exported: Exported = { config, snapshot: pinned.snapshot, counts, ids, signal: stop.signal };
      if (out === undefined) await withDatabase(exported, tmpdir(), (db) => toStdout(db, exported));
      else await toFile(exported, format, resolve(out));
    } finally {
      pinned.release();
    }
  } finally {
    shared?.close();
  }
  report(counts, ids, asOf);
}

function report(counts: ExportCounts, ids: readonly string[] | undefined, asOf: string | undefined): void {
  const whose =
    ids === undefined ? '' : ` of ${ids.length} ids${asOf === undefined ? '' : `, as of ${asOf}`}`;
  process.stderr.write(`${counts.facts} facts${whose}\n`);
  if (ids !== undefined) return;
  if (counts.invalid > 0)
    process.stderr.write(`left out: ${counts.invalid} records that are not facts (refused or erased)\n`);
  if (counts.erasures > 0)
    process.stderr.write(
      `left out: ${counts.erasures} erasures, which are known by this directory's secret alone: where the same lines are imported again, they count\n`,
    );
}

async function catchUp(config: Config): Promise<void> {
  const log = await openExistingLog(config);
  try {
    await catchUpMaster({ config, clock: systemClock }, { log, timeoutMs: catchUpTimeoutMs });
  } finally {
    await log.close();
  }
}

interface Exported {
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly counts: ExportCounts;
  readonly ids: readonly string[] | undefined;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
}

/**
 * The file gets its name when it is complete and durable: an export that is interrupted leaves none. A signal ends the
 * export; what a killed one left beside the file is removed by the next to the same file.
 */
async function toFile(exported: Exported, format: Flags['format'], out: string): Promise<void> {
  const folder = dirname(out);
  const begin = `.${basename(out)}.export-`;
  for (const left of readdirSync(folder)) if (left.startsWith(begin)) removeScratch(join(folder, left));
  const dir = mkdtempSync(join(folder, begin)); // 0700: a file in it is readable by its owner alone
  const temp = join(dir, 'facts.tmp');
  try {
    await withDatabase(exported, dir, async (database) => {
      const { snapshot, counts, ids } = exported;
      if (format === 'parquet') await exportParquet(database.connection, snapshot, counts, temp, ids);
      else await pipeline(pieces(database, exported), createWriteStream(temp), { signal: exported.signal });
    });
    chmodSync(temp, 0o600);
    fsyncFile(temp);
    moveDurably(temp, out);
  } finally {
    removeScratch(dir);
  }
}

/** Ends the work with an error if the process is asked to end, so that what it has written is removed. */
async function withDatabase(
  exported: Exported,
  dir: string,
  work: (database: DuckDb) => Promise<void>,
): Promise<void> {
  const { dataDir, batchMemory } = exported.config;
  const tempDir = mkdtempSync(join(dir, 'swa-export-'));
  const database = await openDuckDb({
    allowedDirectories: [masterDir(dataDir), dir],
    tempDirectory: tempDir,
    memoryLimit: batchMemory,
    threads: 1, // keeps rows in order
  });
  const { signal } = exported;
  const interrupt = (): void => database.connection.interrupt();
  let repeated: NodeJS.Timeout | undefined;
  // An interrupt has no effect between two statements, so it is repeated until the work has ended: closing a database that is
  // at work would block forever.
  const onAbort = (): void => void (repeated = setInterval(interrupt, 20));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (!signal.aborted) await work(database);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    clearInterval(repeated);
    database.close();
    removeScratch(tempDir);
  }
  if (signal.aborted) throw new SwaError('usage.invalid', 'the export was interrupted; no file was written');
}

async function toStdout(database: DuckDb, exported: Exported): Promise<void> {
  await pipeline(pieces(database, exported), process.stdout, { end: false, signal: exported.signal });
}

function pieces({ connection }: DuckDb, { snapshot, counts, ids }: Exported): Readable {
  return Readable.from(inPieces(exportedLines(connection, snapshot, counts, ids)));
}

const pieceChars = 1 << 18;

/** Joins lines into pieces of at least `pieceChars` characters, because each write costs a system call. */
async function* inPieces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let piece: string[] = [];
  let chars = 0;
  for await (const line of lines) {
    piece.push(line);
    chars += line.length;
    if (chars < pieceChars) continue;
    yield piece.join('');
    piece = [];
    chars = 0;
  }
  yield piece.join('');
}
