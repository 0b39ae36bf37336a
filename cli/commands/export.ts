/** `swa export`: the facts as NDJSON, of one person or all of them. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { canBeErased } from '../../facts/erasure-records.js';
import { readConfig, type Config } from '../../lib/config/config.js';
import { SwaError } from '../../lib/errors/errors.js';
import { show } from '../../lib/errors/show.js';
import { checkDataDir } from '../../lib/files/data-dir.js';
import { removeScratch } from '../../lib/files/removal.js';
import { systemClock } from '../../lib/time/clock.js';
import { openExistingLog } from '../../log/open-log.js';
import { openDuckDb } from '../../master-data/duckdb.js';
import { exportedLines, type ExportCounts } from '../../master-data/export.js';
import { masterDir } from '../../master-data/layout.js';
import { snapshotToLookAt } from '../../master-data/pins.js';
import { catchUpMaster } from '../../master-data/role.js';
import { idsOfPerson } from '../persons.js';

interface Flags {
  readonly visitor?: string;
  readonly person?: string;
}

/** Maximum wait until the master dataset holds the facts of the last seconds. */
const catchUpTimeoutMs = 60_000;

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('all facts as NDJSON on stdout, as `swa import` takes them; or those of one person')
    .option('--visitor <id>', 'facts with this visitor id alone')
    .option('--person <id>', 'facts with any id of the person who has this one')
    .action((flags: Flags) => write(flags));
}

async function write({ visitor, person }: Flags): Promise<void> {
  const config = readConfig(process.env);
  if (visitor !== undefined && person !== undefined)
    throw new SwaError('usage.invalid', 'give one of --visitor and --person, or none for all facts');
  const named = visitor ?? person;
  if (named !== undefined && !canBeErased(named))
    throw new SwaError('usage.invalid', `not a visitor id: ${show(named)}`);
  checkDataDir(config);
  if (config.store !== '')
    throw new SwaError(
      'usage.invalid',
      `the master dataset is in ${config.store}: only a local one can be exported`,
      {
        hint: 'unset SWA_STORE in a data directory that holds the facts, such as a restored backup',
      },
    );
  await catchUp(config);
  const ids =
    person === undefined ? (visitor === undefined ? undefined : [visitor]) : idsOfPerson(config, person);
  const counts: ExportCounts = { facts: 0, invalid: 0, erasures: 0 };
  await toStdout(config, counts, ids);
  const whose =
    ids === undefined
      ? ''
      : ` of ${ids.length} ids${person === undefined ? '' : ', as of the last batch run'}`;
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

async function toStdout(
  { dataDir, batchMemory, batchThreads }: Config,
  counts: ExportCounts,
  ids: readonly string[] | undefined,
): Promise<void> {
  const pinned = snapshotToLookAt(dataDir, 'swa export');
  const tempDir = mkdtempSync(join(tmpdir(), 'swa-export-'));
  try {
    const database = await openDuckDb({
      allowedDirectories: [masterDir(dataDir), tempDir],
      tempDirectory: tempDir,
      memoryLimit: batchMemory,
      threads: batchThreads,
    });
    try {
      const lines = exportedLines(database.connection, pinned.snapshot, counts, ids);
      await pipeline(Readable.from(inPieces(lines)), process.stdout, { end: false });
    } finally {
      database.close();
    }
  } finally {
    pinned.release();
    removeScratch(tempDir);
  }
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
