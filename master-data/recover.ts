/**
 * Continues after a loss of log records. If the log has deleted records (by retention, or by an operator) before they
 * were stored, an operator can accept the loss: the lost offsets are written into the manifests as gaps, and the sink
 * continues after them. If the embedded log is damaged or gone, its readable records are stored first, the others
 * become gaps, and a new log continues after them: under the same id, beyond the master dataset's cut, so that no
 * offset is used twice.
 *
 * None of this happens automatically, because a loss must not go unnoticed.
 */
import { join } from 'node:path';
import type { Clock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { openDataDir, roomOf } from '../lib/files/data-dir.js';
import { OwnerLock } from '../lib/files/owner-lock.js';
import { checkCut, offsetAt } from '../log/cut.js';
import { startNewLog, inspectLog, salvageReader, type LogState, type Run } from '../log/embedded/salvage.js';
import { offset, type Log, type Offset, type Offsets, type PartitionName } from '../log/log.js';
import type { RecoveryPlace, RecoveryStep } from '../lib/files/recovery.js';
import { sinkLockPath } from './layout.js';
import { commitManifest, endOf, openRoot, readHead, readRoot } from './manifest.js';
import { SinkSession, type SourceLog } from './sink-session.js';

export interface SkippedGap {
  readonly partition: PartitionName;
  readonly fromOffset: Offset;
  /** End exclusive. */
  readonly toOffset: Offset;
  /** Number of the manifest that now lists the gap. */
  readonly manifest: number;
}

/**
 * Accepts the loss of the records between the master dataset's cut and the start of the log, and returns the gaps.
 * Throws `data-dir.in-use` while a sink is running, `log.mismatch` for another log, `master.corrupt`.
 */
export async function skipGaps(
  { config, clock }: { readonly config: Config; readonly clock: Clock },
  log: Log,
): Promise<SkippedGap[]> {
  const { dataDir } = config;
  openDataDir(config);
  const lock = OwnerLock.acquire(sinkLockPath(dataDir), 'recover');
  try {
    return await recordGaps({ dataDir, now: clock() }, log);
  } finally {
    lock.release();
  }
}

/** Like `skipGaps`, for callers that hold the sink's lock. */
async function recordGaps(
  { dataDir, now }: Pick<RecoveryPlace, 'dataDir' | 'now'>,
  log: Pick<Log, 'id' | 'partitions' | 'latest' | 'earliest'>,
): Promise<SkippedGap[]> {
  const root = openRoot(dataDir, log);
  const heads = root.body.partitions.map((name) => [name, readHead(dataDir, root, name)] as const);
  const next = Object.fromEntries(heads.map(([name, head]) => [name, endOf(head)]));
  await checkCut(log, { logId: root.body.logId, next }, 'the master dataset');
  const earliest = await log.earliest();
  return heads.flatMap(([partition, head]) => {
    const [fromOffset, toOffset] = [endOf(head), offsetAt(earliest, partition)];
    if (fromOffset >= toOffset) return [];
    const reason = 'the log had deleted these records before they were stored';
    const gap = { fromOffset, toOffset, acceptedAt: now, reason };
    const { number } = commitManifest(dataDir, root, partition, head, { gaps: [...head.gaps, gap] });
    return [{ partition, fromOffset, toOffset, manifest: number }];
  });
}

/** Returns the step that records the gap, for an intact log that begins after the master dataset's cut. */
export async function planGap(
  { dataDir, now }: RecoveryPlace,
  log: Pick<Log, 'id' | 'partitions' | 'latest' | 'earliest'>,
): Promise<RecoveryStep[]> {
  const root = readRoot(dataDir);
  if (root === undefined) return [];
  const earliest = await log.earliest();
  const missing = root.body.partitions.flatMap((name) => {
    const [from, to] = [endOf(readHead(dataDir, root, name)), offsetAt(earliest, name)];
    return from < to ? [`${to - from} offsets of ${name} (${from} to ${to - 1})`] : [];
  });
  if (missing.length === 0) return [];
  return [
    {
      finding: 'the log begins after the end of the master dataset',
      action: 'record the gap in the manifests and continue after it',
      loses: missing.join(', '),
      run: async () => void (await recordGaps({ dataDir, now }, log)),
    },
  ];
}

/**
 * Returns the step that makes a damaged or lost embedded log usable again; none for an intact one.
 * @param furthest how far other consumers have read, so that their offsets are not used twice
 */
export function planLog(
  { dataDir, asideDir, now }: RecoveryPlace,
  config: Pick<Config, 'sinkMaxRows' | 'partitions'>,
  furthest: Partial<Offsets>,
): RecoveryStep[] {
  const root = readRoot(dataDir);
  const dir = roomOf(dataDir, 'log');
  const pageviewPartitions = root?.body.partitions.filter((name) => name.startsWith('pageviews/')).length;
  const state = inspectLog(dir, { logId: root?.body.logId, pageviewPartitions });
  const { logId, partitions } = state;
  if (logId === undefined || partitions.length === 0) return []; // there was no log: the next start creates one
  const cutOf = (name: PartitionName): number =>
    root === undefined ? 0 : endOf(readHead(dataDir, root, name));
  const isRead = partitions.map((name) => [name, Math.max(cutOf(name), furthest[name] ?? 0)] as const);
  const short = isRead.filter(([name, end]) => end > (state.ends.get(name) ?? 0));
  const findings = [
    ...state.findings,
    ...short.map(
      ([name, end]) => `the log ends at offset ${state.ends.get(name) ?? 0} of ${name}, but ${end} was read`,
    ),
  ];
  if (findings.length === 0) return [];
  const base = new Map(isRead.map(([name, end]) => [name, Math.max(end, state.ends.get(name) ?? 0)]));
  const lost = partitions.flatMap((name) =>
    missingIn(cutOf(name), state.runs.get(name) ?? [], base.get(name) ?? 0).map(
      ({ from, to }) => `${to - from} offsets of ${name} (${from} to ${to - 1})`,
    ),
  );
  if (!state.isEndKnown)
    lost.push(
      'all other acknowledged records that were not stored yet (their number is unknown without a watermark)',
    );
  return [
    {
      finding: nameAll(findings),
      action:
        'store the readable records that are not stored yet, move the old segments aside, and begin a new log after them: ' +
        [...base].map(([name, next]) => `${name}=${next}`).join(' '),
      ...(lost.length === 0 ? {} : { loses: lost.join(', ') }),
      run: async () => {
        await storeRuns({ dataDir, dir, maxRows: config.sinkMaxRows, now }, state, base);
        startNewLog(dir, { logId, partitions }, base, join(asideDir, 'log'));
      },
    },
  ];
}

function nameAll(findings: readonly string[]): string {
  const shown = findings.slice(0, 5).join('; ');
  return findings.length > 5 ? `${shown}; and ${findings.length - 5} more` : shown;
}

/** Returns the parts of [cut, end) that are in none of the runs. */
function missingIn(cut: number, runs: readonly Run[], end: number): Run[] {
  const missing: Run[] = [];
  let at = cut;
  for (const { from, to } of runs) {
    if (from > at && to > at) missing.push({ from: at, to: from });
    at = Math.max(at, to);
  }
  if (end > at) missing.push({ from: at, to: end });
  return missing;
}

/** Commits all readable records after the cut, piece by piece, with a gap for each part between them, up to `base`. */
async function storeRuns(
  { dataDir, dir, maxRows, now }: { dataDir: string; dir: string; maxRows: number; now: number },
  state: LogState,
  base: ReadonlyMap<PartitionName, number>,
): Promise<void> {
  const { logId, partitions } = state;
  if (logId === undefined) return;
  const root = openRoot(dataDir, { id: logId, partitions });
  for (;;) {
    const from = new Map<PartitionName, number>();
    const until = new Map<PartitionName, number>();
    for (const name of partitions) {
      const head = readHead(dataDir, root, name);
      const cut = endOf(head);
      const run = state.runs.get(name)?.find(({ from: begin, to }) => to > Math.max(cut, begin));
      const next = run === undefined ? (base.get(name) ?? cut) : run.from;
      if (next > cut) {
        const reason = 'the log was damaged or gone: these records could not be read';
        const gap = { fromOffset: cut, toOffset: offset(next), acceptedAt: now, reason };
        commitManifest(dataDir, root, name, head, { gaps: [...head.gaps, gap] });
      }
      from.set(name, Math.max(cut, next));
      until.set(name, run?.to ?? Math.max(cut, next));
    }
    if (partitions.every((name) => from.get(name) === until.get(name))) return;
    const ends = Object.fromEntries([...until].map(([name, end]) => [name, offset(end)]));
    const log: SourceLog = {
      id: logId,
      partitions,
      latest: async () => ends,
      openReader: async () => salvageReader(dir, state, from, until),
    };
    const session = await SinkSession.open({ dataDir, log, maxRows, intervalMs: 60_000 });
    try {
      await session.run({ signal: new AbortController().signal, until: ends });
    } finally {
      await session.close();
    }
  }
}
