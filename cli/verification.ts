/**
 * The whole of `swa verify`. Each room audits its own files: the log, the master dataset, dead letters, realtime stores, batch views,
 * job queues and the small files. This module compares the results: every offset must be in exactly one place.
 *
 *   0 ... begin of the log ... cut of the master dataset ... end of the log
 *   |-- files of the master dataset, and gaps that its manifests record --|
 *                                                          |-- the log --|
 *
 * Nothing is created or changed (a pin keeps a running sink from removing files while they are read: master-data/pins.ts). Positions
 * only grow, and they are read in an order in which a running system cannot make them contradict each other.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditViews, type ViewsAudit } from '../batch/recomputed-view.js';
import type { OnProgress } from '../batch/progress.js';
import { auditRuns } from '../serving/batch-runs.js';
import type { Clock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { checkDataDir, formatPath, roomOf, rooms, type Room } from '../lib/files/data-dir.js';
import { SwaError, hasCode, systemCode } from '../lib/errors/errors.js';
import { removeScratch } from '../lib/files/removal.js';
import { Findings, confirmed, type Finding } from '../lib/errors/finding.js';
import { auditLog, logFix, type AuditedLog } from '../log/embedded/audit.js';
import { namesOf } from '../log/cut.js';
import type { Cut, Log, Offsets } from '../log/log.js';
import { auditErasures } from '../facts/erasure-records.js';
import { openExistingLog, refuseSecondLog } from '../log/open-log.js';
import { auditTrimNote } from '../log/retention.js';
import { namesIn, storedLogId } from '../log/stored.js';
import { auditQueues } from '../log/queue/audit.js';
import { auditStatus } from '../lib/process/status.js';
import type { ViewId } from '../facts/views/view.js';
import { auditMasterFiles } from '../master-data/audit-files.js';
import { recoverHint } from '../master-data/sealed-json.js';
import { masterCut } from '../master-data/snapshot.js';
import { verifyMaster, type MasterAudit } from '../master-data/audit.js';
import { auditViewFolders, checkViewCuts, viewFix } from '../serving/audit.js';
import { currentIfAny } from '../serving/current.js';
import { auditDeadLetters } from '../speed/bolts/dead-letters.js';
import { auditStores, checkPositions, storeFix } from '../speed/store/audit.js';

export interface Verification {
  readonly ok: boolean;
  /** Everything that is wrong, each with its fix. */
  readonly findings: readonly Finding[];
  /** Files that a killed process left and the next start removes. They are not a problem. */
  readonly leftovers: readonly Finding[];
  /** Null if it is missing although there were facts. */
  readonly master: MasterAudit | null;
  readonly views: ViewsAudit;
  readonly log: LogPositions | null;
  readonly stores: { readonly whole: number; readonly records: number };
  readonly deadLetters: number;
}

export interface LogPositions {
  readonly id: string;
  /** First offset of each partition that the log still has. */
  readonly begin: Offsets;
  /** Next offset of each partition. */
  readonly end: Offsets;
}

export interface VerifyOptions {
  readonly recount: boolean;
  readonly exact?: boolean;
  readonly onFile?: (path: string) => void;
  readonly onProgress?: OnProgress;
}

/** Throws only `master.missing` (there are no facts yet), `config.invalid`, and `log.unavailable` if Kafka does not answer. */
export async function verifyDataDir(
  { config, clock }: { readonly config: Config; readonly clock: Clock },
  options: VerifyOptions,
): Promise<Verification> {
  const kafka = config.kafkaBrokers.length === 0 ? undefined : await openExistingLog(config);
  try {
    const around = await confirmed(() => lookAround({ config, clock }, kafka));
    const { log, stores, deadLetters, leftovers } = around.last;
    const master = await verifyFacts(config, kafka, options.onFile).catch((error: unknown) => {
      if (around.findings.length > 0 && hasCode(error, 'master.missing')) return null;
      throw error;
    });
    const views = await auditViews({ config, ...options });
    const findings = [
      ...around.findings,
      ...(master?.findings ?? []),
      ...(kafka === undefined ? holesIn(master) : []),
      ...views.problems.map((finding) => ({ finding, fix: viewFix })),
    ];
    const unique = findings.filter(
      ({ finding }, i) => findings.findIndex((one) => one.finding === finding) === i,
    );
    const positions =
      log === undefined ? null : { id: log.id, begin: await log.earliest(), end: await log.latest() };
    return {
      ok: unique.length === 0,
      findings: unique,
      leftovers,
      master,
      views,
      log: positions,
      stores,
      deadLetters,
    };
  } finally {
    await kafka?.close();
  }
}

/** Every offset of the embedded log is a record, so an offset without a row is a lost record. */
function holesIn(master: MasterAudit | null): Finding[] {
  const holes = master?.checked.holes ?? 0;
  if (holes === 0) return [];
  return [
    { finding: `${holes} offsets within data files of the master dataset have no row`, fix: recoverHint },
  ];
}

/** Audits again if there are problems and reports those found twice: a sink that just started may have removed files it replaced. */
async function verifyFacts(
  { dataDir }: Config,
  kafka: Log | undefined,
  onFile: (path: string) => void = () => undefined,
): Promise<MasterAudit> {
  const look = (): Promise<MasterAudit> =>
    verifyMaster(dataDir, kafka, { onFile: ({ path }) => onFile(path) });
  const first = await look();
  if (first.ok) return first;
  const second = await look();
  const problems = second.problems.filter((problem) => first.problems.includes(problem));
  const findings = second.findings.filter(({ finding }) => problems.includes(finding));
  return { ...second, ok: problems.length === 0, problems, findings };
}

interface Around {
  readonly findings: readonly Finding[];
  readonly leftovers: readonly Finding[];
  readonly log: AuditedLog | undefined;
  readonly stores: Verification['stores'];
  readonly deadLetters: number;
}

/** Names in a data directory besides its rooms. */
const ownNames: ReadonlySet<string> = new Set(['format.json', 'secret', 'sites', 'damaged']);

/** Checks everything except the content of data files and views. */
async function lookAround(
  { config, clock }: { readonly config: Config; readonly clock: Clock },
  kafka: AuditedLog | undefined,
): Promise<Around> {
  const { dataDir } = config;
  const report = new Findings();
  auditFormat(config, report);
  for (const name of namesIn(dataDir)) {
    const isOwn = ownNames.has(name) || rooms.some((room) => room === name);
    if (isOwn || name.startsWith('.') || name === 'lost+found') continue; // the directory may be a mount point
    if (name.endsWith('.tmp')) report.leftover(join(dataDir, name), 'nothing: this file is never read');
    else report.add(`${join(dataDir, name)} is not a file of swa`, 'move it out of the data directory');
  }
  await auditSmallFiles(dataDir, clock, report);
  await auditMasterFiles(dataDir, report).catch((error: unknown) =>
    report.thrown(roomOf(dataDir, 'master'), recoverHint, error),
  );

  const before = cutOf(dataDir);
  const inRoom = <T>(room: Room, fix: string, otherwise: T, look: () => T): T =>
    report.attempt(roomOf(dataDir, room), fix, look) ?? otherwise;
  const noStores = { stores: [], records: 0 };
  const stores = inRoom('speed', storeFix, noStores, () => auditStores(dataDir, report));
  const letters = inRoom('dead-letter', 'move it out of the data directory', [], () =>
    auditDeadLetters(dataDir, report),
  );
  auditErasures(dataDir, report);
  const noCuts: ReadonlyMap<ViewId, Cut> = new Map();
  const cuts = inRoom('serving', viewFix, noCuts, () => auditViewFolders(dataDir, report));
  const current = unlessUnreadable(() => currentIfAny(dataDir));
  const log = kafka ?? auditEmbedded(dataDir, before, report);
  const begin = await log?.earliest();
  const end = await log?.latest();
  const after = cutOf(dataDir);

  if (log !== undefined && begin !== undefined && end !== undefined) {
    checkPlaces(
      { log, begin, end },
      { before, after },
      current === undefined ? undefined : cuts.get(current),
      report,
    );
    checkPositions(
      stores,
      { id: log.id, ends: new Map(namesOf(end).map((name) => [name, end[name] ?? 0])) },
      (id) => cuts.get(id),
      report,
    );
    for (const { path, partition, offset } of letters)
      if (offset >= (end[partition] ?? 0))
        report.add(
          `${path} belongs to offset ${offset}, but the log ends at ${end[partition] ?? 0}`,
          'delete it, unless another finding says that the log has lost records',
        );
  }
  if (after !== undefined) checkViewCuts(dataDir, cuts, after, end ?? {}, report);
  else if (unlessUnreadable(() => storedLogId(dataDir)) === undefined) requireMaster(dataDir, cuts, report);
  return {
    findings: report.findings,
    leftovers: report.leftovers,
    log,
    stores: { whole: stores.stores.length, records: stores.records },
    deadLetters: letters.length,
  };
}

function auditFormat(config: Config, report: Findings): void {
  try {
    checkDataDir(config);
  } catch (error) {
    if (!hasCode(error, 'data-dir.unusable')) throw error;
    const hasRooms = rooms.some((room) => namesIn(roomOf(config.dataDir, room)).length > 0);
    if (!hasRooms) throw noFacts(config.dataDir, error);
    report.add(
      systemCode(error.cause) === 'ENOENT' ? `${formatPath(config.dataDir)} is missing` : error.message,
      'stop the system and run `swa recover --yes`, which creates it again',
    );
  }
}

function noFacts(dataDir: string, cause?: unknown): SwaError {
  return new SwaError('master.missing', `there is no master dataset in '${dataDir}' yet`, {
    cause,
    hint: 'start the sink once, or import some facts',
  });
}

async function auditSmallFiles(dataDir: string, clock: Clock, report: Findings): Promise<void> {
  auditStatus(dataDir, report);
  auditRuns(dataDir, report);
  auditTrimNote(dataDir, report);
  const scratchDir = mkdtempSync(join(tmpdir(), 'swa-verify-'));
  try {
    await auditQueues(dataDir, scratchDir, clock, report);
  } finally {
    removeScratch(scratchDir);
  }
}

/** Undefined before the first commit, or if manifests are damaged, which the audit of the master dataset reports. */
function cutOf(dataDir: string): Cut | undefined {
  return unlessUnreadable(() => masterCut(dataDir));
}

/** Undefined if `read` throws: another audit reports that. */
function unlessUnreadable<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function auditEmbedded(dataDir: string, master: Cut | undefined, report: Findings): AuditedLog | undefined {
  const dir = roomOf(dataDir, 'log');
  const pageviewPartitions =
    master === undefined
      ? undefined
      : namesOf(master.next).filter((name) => name.startsWith('pageviews/')).length;
  const log = auditLog(
    dir,
    { logId: unlessUnreadable(() => storedLogId(dataDir)), pageviewPartitions },
    report,
  );
  if (log === undefined) {
    try {
      refuseSecondLog(dataDir);
    } catch (error) {
      report.thrown(join(dir, 'format.json'), logFix, error);
    }
  }
  return log;
}

interface Range {
  readonly log: AuditedLog;
  readonly begin: Offsets;
  readonly end: Offsets;
}

/** Checks that every offset is in the master dataset or the log, and that the log reaches back to the published view's cut. */
function checkPlaces(
  { log, begin, end }: Range,
  { before, after }: { readonly before: Cut | undefined; readonly after: Cut | undefined },
  current: Cut | undefined,
  report: Findings,
): void {
  for (const name of log.partitions) {
    const [first, last] = [begin[name] ?? 0, end[name] ?? 0];
    const stored = before?.next[name] ?? 0;
    if (stored > last)
      report.add(
        `the log ends at offset ${last} of ${name}, but the master dataset has facts up to ${stored}`,
        'restore log/ from a backup, or stop the system and run `swa recover` to begin a new log after them',
      );
    const from = after?.next[name] ?? 0;
    if (first > from)
      report.add(
        `offsets ${from} to ${first - 1} of ${name} are missing: the master dataset ends before them and the log begins after them`,
        'restore master/ or log/ from a backup; or stop the system and run `swa recover --skip-gap`, which accepts the loss and records it',
      );
    const counted = current?.next[name];
    if (counted !== undefined && first > counted && first <= from)
      report.add(
        `the log begins at offset ${first} of ${name}, after ${counted}, where the published batch view ends: the realtime view cannot be rebuilt`,
        'run `swa batch run`',
      );
  }
}

/** Reports a missing root of the master dataset if something shows that facts were stored. */
function requireMaster(dataDir: string, cuts: ReadonlyMap<ViewId, Cut>, report: Findings): void {
  const root = join(roomOf(dataDir, 'master'), 'root.json');
  const folder = ['pageviews', 'equivs'].find((name) => namesIn(join(root, '..', name)).length > 0);
  const [view] = [...cuts].find(([, { next }]) => namesOf(next).some((name) => (next[name] ?? 0) > 0)) ?? [];
  if (folder !== undefined)
    report.add(`${root} is missing, but ${join(root, '..', folder)} holds facts`, recoverHint);
  else if (view !== undefined)
    report.add(
      `${root} is missing, but batch view ${view} shows that there were facts`,
      'restore master/ from a backup',
    );
}
