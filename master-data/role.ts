/**
 * The sink: carries facts from the log into the master dataset. One per data directory, by a lock; a batch run that finds
 * none does the sink's work up to the log's end (a catch-up), and a sink that starts meanwhile waits for it. Where the lock
 * cannot see (two hosts, one file system) the manifest's put-if-absent decides, and the loser stops with `master.conflict`.
 *
 * What passes by itself (a full disk, a log that is away) is reported, waited for, and overcome by a new session from the
 * committed cut; everything else ends the role.
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

/** What the owner of the sink's lock is called while a batch run does the sink's work. */
const catchUp = 'catch-up';

/** @param shared where other hosts have the master dataset, too: what SWA_STORE names */
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
  // A failure of the role shows in `done`; `stop` only waits for the end.
  const ended = done.catch(() => undefined);
  return {
    done,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** What is committed here alone would have to be taken back. */
function refuseAlone({ store }: Pick<Config, 'store'>, shared: SharedMaster | undefined): void {
  if (store === '' || shared !== undefined) return;
  throw new SwaError('config.invalid', `SWA_STORE is set (${store}), but this program commits without it`, {
    hint: 'run `swa sink` or `swa start`',
  });
}

/** The sink's lock, or undefined while a catch-up has it. Throws `data-dir.in-use` otherwise. */
function lockUnlessCatchUp(dataDir: string): OwnerLock | undefined {
  const path = sinkLockPath(dataDir);
  const taken = OwnerLock.tryAcquire(path, 'sink');
  if (taken instanceof OwnerLock) return taken;
  if (taken.what === catchUp) return undefined;
  throw lockHeld(path, 'sink', taken);
}

const catchUpLookMs = 500;

/** Waits for a catch-up to end, which it does when the log's end of its start is committed. Undefined when stopped. */
async function lockAfterCatchUp(
  { config, logger }: RoleContext,
  status: StatusReporter,
  signal: AbortSignal,
): Promise<OwnerLock | undefined> {
  logger.info('the sink is waiting: a batch run is writing the latest facts to the master dataset');
  while (!signal.aborted) {
    const lock = lockUnlessCatchUp(config.dataDir);
    if (lock !== undefined) return lock;
    status.report({ state: 'starting' }); // each time: who is silent counts as gone
    await sleep(catchUpLookMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** Commits what the log holds now and returns the cut reached. Throws `data-dir.in-use` while another process does. */
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
 * Brings the master dataset up to what the log holds now: through the running sink, or, when there is none, by doing its
 * work here. What a batch run does before its snapshot when a person asked for it.
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
        // A sink was started between the look and the lock: then it does the work.
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
  // A report that fails says nothing of the facts; the next one is two seconds away.
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
