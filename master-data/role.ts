/**
 * The sink copies facts from the log into the master dataset. A lock allows one per data directory. If none is running,
 * a batch run does the sink's work up to the end of the log (a catch-up), and a sink that starts meanwhile waits for
 * it. Where the lock has no effect (two hosts, one file system), the manifest's put-if-absent decides, and the loser
 * stops with `master.conflict`.
 *
 * Temporary problems (a full disk, an unreachable log) are reported, waited out, and followed by a new session from the
 * committed cut; all other errors end the role.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { SwaError, hasCode } from '../lib/errors/errors.js';
import { OwnerLock, liveLockOwner, lockHeld } from '../lib/files/owner-lock.js';
import { readableEnd } from '../log/cut.js';
import type { Cut, Log } from '../log/log.js';
import { openLog } from '../log/open-log.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter, lastErrorOf } from '../lib/process/status.js';
import { waitForMaster } from './flush-request.js';
import { sinkLockPath } from './layout.js';
import type { SharedMaster } from './shared-master.js';
import { SinkSession, isPassing, type SinkOptions } from './sink-session.js';

/** Name of the lock's owner while a batch run does the sink's work. */
const catchUp = 'catch-up';

/** Starts the sink. @param shared the master dataset shared with other hosts, as SWA_STORE names it */
export async function startSink(context: RoleContext, shared?: SharedMaster): Promise<RunningRole> {
  const { config, clock } = context;
  refuseAlone(config, shared);
  openDataDir(config, (text) => context.logger.warn(text));
  let lock = lockUnlessCatchUp(config.dataDir);
  const status = new StatusReporter({ dataDir: config.dataDir, role: 'sink', clock });
  const stopping = new AbortController();
  let log: Log;
  try {
    log = await openLog(config, clock);
  } catch (error) {
    lock?.release();
    throw error;
  }
  const done = (async () => {
    try {
      lock ??= await lockAfterCatchUp(context, status, stopping.signal);
      if (lock !== undefined) await superviseSessions(context, { log, shared }, status, stopping.signal);
    } finally {
      await log.close();
      lock?.release();
    }
  })();
  // A failure of the role rejects `done`; `stop` only waits for the end.
  const ended = done.catch(() => undefined);
  return {
    done,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** Commits made without the shared dataset would have to be undone. */
function refuseAlone({ store }: Pick<Config, 'store'>, shared: SharedMaster | undefined): void {
  if (store === '' || shared !== undefined) return;
  throw new SwaError('config.invalid', `SWA_STORE is set (${store}), but this program commits without it`, {
    hint: 'run `swa sink` or `swa start`',
  });
}

/** Takes the sink's lock; undefined while a catch-up holds it. Throws `data-dir.in-use` if another sink does. */
function lockUnlessCatchUp(dataDir: string): OwnerLock | undefined {
  const path = sinkLockPath(dataDir);
  const taken = OwnerLock.tryAcquire(path, 'sink');
  if (taken instanceof OwnerLock) return taken;
  if (taken.what === catchUp) return undefined;
  throw lockHeld(path, 'sink', taken);
}

const catchUpLookMs = 500;

/**
 * Waits for a catch-up to end; it ends once it has committed up to the log's end at its start. Returns undefined if
 * stopped.
 */
async function lockAfterCatchUp(
  { config, logger }: RoleContext,
  status: StatusReporter,
  signal: AbortSignal,
): Promise<OwnerLock | undefined> {
  logger.info('the sink is waiting: a batch run is writing the latest facts to the master dataset');
  while (!signal.aborted) {
    const lock = lockUnlessCatchUp(config.dataDir);
    if (lock !== undefined) return lock;
    status.report({ state: 'starting' }); // every time: a role with an old entry counts as gone
    await sleep(catchUpLookMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** Works on the files of the master dataset here as a sink may; undefined if one is running. */
export function unlessSinking<T>(dataDir: string, work: () => T): T | undefined {
  const lock = OwnerLock.tryAcquire(sinkLockPath(dataDir), catchUp);
  if (!(lock instanceof OwnerLock)) return undefined;
  try {
    return work();
  } finally {
    lock.release();
  }
}

/**
 * Commits what the log holds now and returns the cut reached. Throws `data-dir.in-use` if another process is doing so.
 */
export async function drainLogToMaster(
  context: Pick<RoleContext, 'config' | 'clock'>,
  options: { readonly log?: Log; readonly signal?: AbortSignal; readonly shared?: SharedMaster } = {},
): Promise<Cut> {
  const { config, clock } = context;
  const { shared } = options;
  refuseAlone(config, shared);
  openDataDir(config);
  const lock = OwnerLock.acquire(sinkLockPath(config.dataDir), catchUp);
  const signal = options.signal ?? new AbortController().signal;
  let log = options.log;
  let session: SinkSession | undefined;
  try {
    log ??= await openLog(config, clock);
    session = await SinkSession.open(sinkOptions(context, { log, shared }));
    await session.run({ signal, until: await readableEnd(log) });
    await session.eraseAll();
    signal.throwIfAborted();
    return session.cut;
  } finally {
    await session?.close();
    if (options.log === undefined) await log?.close();
    lock.release();
  }
}

/**
 * Brings the master dataset up to the current end of the log: through the running sink or, if there is none, by doing
 * its work here. Batch runs that a person requested do this before their snapshot.
 */
export async function catchUpMaster(
  context: Pick<RoleContext, 'config' | 'clock'>,
  options: { readonly log: Log; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Cut> {
  const { dataDir } = context.config;
  const atLeast = await readableEnd(options.log);
  const isServed = (): boolean => liveLockOwner(sinkLockPath(dataDir)) !== undefined;
  for (;;) {
    if (!isServed()) {
      try {
        return await drainLogToMaster(context, options);
      } catch (error) {
        // A sink was started between the check and the lock: it does the work.
        if (!hasCode(error, 'data-dir.in-use')) throw error;
      }
    }
    const cut = await waitForMaster(dataDir, atLeast, { ...options, isServed });
    if (cut !== undefined) return cut;
  }
}

const firstBackoffMs = 200;
const maxBackoffMs = 5_000;
const reportEveryMs = 2_000;
const maxWarned = 1_000;

async function superviseSessions(
  context: RoleContext,
  source: Source,
  status: StatusReporter,
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger } = context;
  let backoffMs = firstBackoffMs;
  const fail = (error: unknown): void => {
    logger.error({ err: error }, 'sink');
    status.report({ lastError: lastErrorOf(error, clock()) });
  };
  const warned = new Set<string>();
  const warn = (text: string): void => {
    if (warned.has(text) || warned.size >= maxWarned) return;
    warned.add(text);
    logger.warn(text);
  };
  status.report({ state: 'starting' });
  const options: SinkOptions = {
    ...sinkOptions(context, source),
    onCommit: () => (backoffMs = firstBackoffMs),
    onProblem: fail,
  };
  try {
    while (!signal.aborted) {
      try {
        await runSession(options, status, warn, signal);
      } catch (error) {
        if (!isPassing(error)) throw error;
        fail(error);
        await sleep(backoffMs, undefined, { signal }).catch(() => undefined);
        backoffMs = Math.min(maxBackoffMs, backoffMs * 2);
      }
    }
    status.report({ state: 'stopped' });
  } catch (error) {
    fail(error);
    status.report({ state: 'failed' });
    throw error;
  }
}

async function runSession(
  options: SinkOptions,
  status: StatusReporter,
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const session = await SinkSession.open(options);
  const report = async (): Promise<void> => {
    const health = await options.log.health?.();
    health?.warnings.forEach(warn);
    const lag = await session.lag();
    const { cut, skippedOffsets } = session;
    status.report({ state: 'running', details: { cut: cut.next, lag, skippedOffsets, ...health } });
  };
  // A failed report does not affect the facts; the next one follows in two seconds.
  const timer = setInterval(() => void report().catch(() => undefined), reportEveryMs);
  try {
    await report();
    await session.run({ signal });
    await report();
  } finally {
    clearInterval(timer);
    await session.close();
  }
}

type Source = Pick<SinkOptions, 'log' | 'shared'>;

function sinkOptions({ config }: Pick<RoleContext, 'config'>, source: Source): SinkOptions {
  return {
    ...source,
    dataDir: config.dataDir,
    maxRows: config.sinkMaxRows,
    intervalMs: config.sinkIntervalMs,
  };
}
