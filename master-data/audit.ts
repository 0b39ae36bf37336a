/**
 * Audits the master dataset: proves from the files alone that every offset of the log below the master dataset's cut is
 * in exactly one row of exactly one Parquet file. It reports problems and repairs nothing.
 *
 * The proof, per partition: each manifest matches its own hash and names that of its predecessor; the cut never
 * decreases along the chain; the newest manifest's file ranges and gaps are contiguous from offset 0 to the cut; each
 * file has the size and the hash its manifest names; within a file no offset repeats or is outside the range. A file
 * with as many rows as offsets is then complete. If it has fewer (Kafka's control records leave holes), the log is
 * asked for the offsets of that range.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';
import type { Finding } from '../lib/errors/finding.js';
import { removeScratch } from '../lib/files/removal.js';
import type { Sealed } from '../lib/files/sealed.js';
import { checkCut } from '../log/cut.js';
import { offset, type Cut, type Log, type PartitionName } from '../log/log.js';
import { openDuckDb, sqlParquet } from './duckdb.js';
import { manifestPath, masterDir } from './layout.js';
import { endOf, manifestNumbers, readManifest, readRoot, type ManifestGap, type Root } from './manifest.js';
import { snapshotToLookAt } from './pins.js';
import { recoverHint } from './sealed-json.js';
import { verifySnapshotFiles, type SnapshotFile } from './snapshot.js';

export interface MasterAudit {
  readonly ok: boolean;
  /** Messages, each naming its file or partition; at most `maxProblems`. */
  readonly problems: readonly string[];
  /** The same, each with what to do. */
  readonly findings: readonly Finding[];
  /** Undefined if the dataset could not be read. */
  readonly cut: Cut | undefined;
  readonly checked: {
    readonly partitions: number;
    readonly manifests: number;
    readonly files: number;
    readonly sizeBytes: number;
    readonly rows: number;
    /** Rows with a record that is not a fact. */
    readonly invalidRows: number;
    /** Offsets below the cut without a row that the log does not have either, as far as it could be read. */
    readonly holes: number;
    /**
     * Those of the holes that could not be checked, because the log no longer retains the offsets or did not return
     * them in time.
     */
    readonly holesUnseen: number;
    /** Offsets below the cut that were lost before they were stored: the manifests list them as gaps. */
    readonly skippedOffsets: number;
  };
}

const maxProblems = 100;

/** Audits the current dataset and, with `log`, that both belong together. Throws only `master.missing`. */
export async function verifyMaster(
  dataDir: string,
  log: Log | undefined,
  options: { readonly signal?: AbortSignal; readonly onFile?: (file: SnapshotFile) => void } = {},
): Promise<MasterAudit> {
  const audit = new Audit();
  const root = readRootOrReport(dataDir, audit);
  if (root === undefined) return audit.result(undefined);
  for (const name of root.body.partitions) checkChain(dataDir, root, name, audit);
  const pinned = audit.attempt(() => snapshotToLookAt(dataDir, 'swa verify'));
  if (pinned === undefined) return audit.result(undefined);
  const tempDirectory = mkdtempSync(join(tmpdir(), 'swa-verify-'));
  const duckdb = await openDuckDb({
    allowedDirectories: [masterDir(dataDir)],
    tempDirectory,
    memoryLimit: '1GB',
    threads: 1,
  });
  try {
    const { snapshot } = pinned;
    if (log !== undefined) await audit.attemptAsync(() => checkCut(log, snapshot.cut, 'the master dataset'));
    for (const file of snapshot.files) {
      options.signal?.throwIfAborted();
      await audit.attemptAsync(() => checkFile(file, duckdb.connection, log, audit));
      options.onFile?.(file);
    }
    return audit.result(snapshot.cut);
  } finally {
    pinned.release();
    duckdb.close();
    removeScratch(tempDirectory);
  }
}

/** Collects counts and findings. */
class Audit {
  readonly #findings: Finding[] = [];
  readonly #counts = {
    partitions: 0,
    manifests: 0,
    files: 0,
    sizeBytes: 0,
    rows: 0,
    invalidRows: 0,
    holes: 0,
    holesUnseen: 0,
    skippedOffsets: 0,
  };

  count(what: keyof MasterAudit['checked'], by = 1): void {
    this.#counts[what] += by;
  }

  problem(finding: string, fix = recoverHint): void {
    if (this.#findings.length >= maxProblems || this.#findings.some((one) => one.finding === finding)) return;
    this.#findings.push({ finding, fix });
  }

  /** Returns undefined, and adds a finding, if the work fails. A missing file is not a finding with `mayBeGone`. */
  attempt<T>(work: () => T, options: { readonly mayBeGone: boolean } = { mayBeGone: false }): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(options.mayBeGone && systemCode(error) === 'ENOENT')) this.problem(messageOf(error));
      return undefined;
    }
  }

  async attemptAsync(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.problem(messageOf(error));
    }
  }

  result(cut: Cut | undefined): MasterAudit {
    const findings = this.#findings;
    const problems = findings.map(({ finding }) => finding);
    return { ok: problems.length === 0, problems, findings, cut, checked: this.#counts };
  }
}

function readRootOrReport(dataDir: string, audit: Audit): Sealed<Root> | undefined {
  let root: Sealed<Root> | undefined;
  try {
    root = readRoot(dataDir);
  } catch (error) {
    audit.problem(messageOf(error));
    return undefined;
  }
  if (root === undefined) {
    throw new SwaError('master.missing', `there is no master dataset in '${dataDir}' yet`, {
      hint: 'start the sink once, or import some facts',
    });
  }
  return root;
}

/** One of two manifests has changed; it is unknown which. */
const chainWayOn =
  'restore it and the one before it from a backup; only the newest manifest is used to read facts, so no fact is lost';

function checkChain(dataDir: string, root: Sealed<Root>, name: PartitionName, audit: Audit): void {
  audit.count('partitions');
  let before: { readonly number: number; readonly sha256: string; readonly cut: number } = {
    number: 0,
    sha256: root.sha256,
    cut: 0,
  };
  let gaps: readonly ManifestGap[] = [];
  for (const number of manifestNumbers(dataDir, name)) {
    const manifest = audit.attempt(() => readManifest(dataDir, root, name, number), { mayBeGone: true });
    if (manifest === undefined) continue;
    audit.count('manifests');
    const cut = endOf(manifest.body);
    gaps = manifest.body.gaps;
    // Old manifests are removed, so the chain may begin late, and a pinned one may have no neighbours.
    if (number === before.number + 1 && manifest.body.predecessorSha256 !== before.sha256) {
      audit.problem(
        `${manifestPath(dataDir, name, number)} does not name the hash of its predecessor`,
        chainWayOn,
      );
    }
    if (cut < before.cut) {
      audit.problem(
        `${manifestPath(dataDir, name, number)} ends at offset ${cut}, before its predecessor's ${before.cut}`,
        chainWayOn,
      );
    }
    before = { number, sha256: manifest.sha256, cut };
  }
  for (const { fromOffset, toOffset } of gaps) audit.count('skippedOffsets', toOffset - fromOffset);
}

async function checkFile(
  file: SnapshotFile,
  connection: DuckDBConnection,
  log: Log | undefined,
  audit: Audit,
): Promise<void> {
  await verifySnapshotFiles({ files: [file] });
  audit.count('files');
  audit.count('sizeBytes', file.sizeBytes);
  const result = await connection.run(
    `SELECT count(*), count(DISTINCT "offset"), count("offset"), min("offset"), max("offset"), count(invalid_reason),
            count(*) FILTER (event_id IS NULL AND invalid_reason IS NULL)
     FROM ${sqlParquet(file.path)}`,
  );
  const counts = ((await result.getRows())[0] ?? []).map(Number);
  const [rows = 0, distinct = 0, present = 0, first = 0, last = 0, invalid = 0, empty = 0] = counts;
  audit.count('rows', rows);
  audit.count('invalidRows', invalid);
  const wrong = (what: string): void => audit.problem(`${file.path} ${what}`);
  if (rows !== file.rows) wrong(`has ${rows} rows, but its manifest says ${file.rows}`);
  if (present !== rows) wrong(`has ${rows - present} rows without an offset`);
  if (distinct !== present) wrong(`repeats ${present - distinct} offsets`);
  if (first < file.fromOffset || last >= file.toOffset) {
    wrong(`holds offsets ${first} to ${last}, outside [${file.fromOffset}, ${file.toOffset})`);
  }
  if (empty > 0) wrong(`has ${empty} rows that hold neither a fact nor a reason why not`);
  const holes = file.toOffset - file.fromOffset - distinct;
  if (holes > 0) await checkHoles(file, holes, connection, log, audit);
}

/** A missing offset is correct only if the log has no record at it either. */
async function checkHoles(
  file: SnapshotFile,
  holes: number,
  connection: DuckDBConnection,
  log: Log | undefined,
  audit: Audit,
): Promise<void> {
  audit.count('holes', holes);
  const name: PartitionName = `${file.topic}/${file.partition}`;
  const earliest = log === undefined ? file.toOffset : ((await log.earliest())[name] ?? file.toOffset);
  const from = Math.max(file.fromOffset, earliest);
  const result = await connection.run(`SELECT "offset" FROM ${sqlParquet(file.path)}`);
  const stored = new Set((await result.getRows()).map(([value]) => Number(value)));
  const countUnseen = (begin: number, end: number): void => {
    for (let at = begin; at < end; at++) if (!stored.has(at)) audit.count('holesUnseen');
  };
  countUnseen(file.fromOffset, Math.min(from, file.toOffset));
  if (log === undefined || from >= file.toOffset) return;
  const { offsets, seenTo } = await offsetsOf(log, name, from, file.toOffset);
  countUnseen(seenTo, file.toOffset);
  const missing = offsets.filter((at) => !stored.has(at));
  if (missing.length > 0) {
    audit.problem(
      `${file.path} has no row for ${missing.length} offsets of the log, the first is ${missing[0]}`,
    );
  }
}

/** Returns the log's offsets in [from, to); `seenTo` says how far the log returned any. */
async function offsetsOf(
  log: Log,
  name: PartitionName,
  from: number,
  to: number,
): Promise<{ readonly offsets: readonly number[]; readonly seenTo: number }> {
  const reader = await log.openReader({ from: { [name]: offset(from) }, consumer: 'verify' });
  const offsets: number[] = [];
  let seenTo = from;
  try {
    while (seenTo < to) {
      const batches = await reader.next({ maxRecords: 16_384, timeoutMs: 5_000 });
      if (batches.length === 0) break;
      for (const batch of batches) {
        offsets.push(...batch.offsets.filter((at) => at < to));
        seenTo = batch.nextOffset;
      }
    }
  } finally {
    await reader.close();
  }
  return { offsets, seenTo };
}
