/** Keeps a data directory at the serving view of the store. A lock ensures that one process per data directory follows. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { messageOf } from '../../lib/errors/errors.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { StatusReporter, lastErrorOf, type LastError } from '../../lib/process/status.js';
import type { Clock } from '../../lib/time/clock.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { removeScratch } from '../../lib/files/removal.js';
import { namesIn } from '../../log/stored.js';
import { currentIfAny } from '../../serving/current.js';
import { fetchingDir } from '../../serving/layout.js';
import type { BucketViews } from './bucket-views.js';

export interface FollowerOptions {
  readonly dataDir: string;
  readonly views: BucketViews;
  readonly logger: Pick<Logger, 'error' | 'info'>;
  readonly clock: Clock;
  readonly pollMs?: number;
  /** Called every few seconds, after a look: what else is to be done once for each data directory. */
  readonly alsoDo?: () => Promise<void>;
}

export interface Follower {
  close(): Promise<void>;
}

/** Unfinished downloads older than this are abandoned and removed. */
const abandonedAfterMs = 24 * 3_600_000;
const defaultPollMs = 1_000;
/** How often to check whether the following process has ended. */
const lockPauseMs = 5_000;
/** Between two calls of `alsoDo`. */
const alsoEveryMs = 5_000;

/**
 * Starts to follow. If a view cannot be fetched, it logs the error once and the local view keeps serving. Throws the error of the first attempt if
 * there is no local view yet.
 */
export async function startFollower(options: FollowerOptions): Promise<Follower> {
  const follower = new ViewFollower(options);
  await follower.begin();
  return follower;
}

class ViewFollower implements Follower {
  readonly #options: FollowerOptions;
  readonly #stopping = new AbortController();
  #lock: OwnerLock | undefined;
  #status: StatusReporter | undefined;
  #running: Promise<void> = Promise.resolve();
  #lastLogged = '';
  #alsoDoneAt = Number.NEGATIVE_INFINITY;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  async begin(): Promise<void> {
    const { dataDir, views } = this.#options;
    this.#takeLock();
    try {
      if (this.#lock !== undefined) {
        await views.follow();
        await this.#doMore();
      }
      this.#report(null);
    } catch (error) {
      if (currentIfAny(dataDir) === undefined) {
        this.#status?.withdraw();
        this.#lock?.release();
        throw error;
      }
      this.#reportError(error);
    }
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#status?.withdraw();
    this.#lock?.release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { views, pollMs = defaultPollMs } = this.#options;
    while (!signal.aborted) {
      await sleep(this.#lock === undefined ? lockPauseMs : pollMs, undefined, { signal }).catch(
        () => undefined,
      );
      if (signal.aborted) return;
      try {
        if (this.#lock === undefined) this.#takeLock();
        if (this.#lock === undefined) continue;
        await views.follow();
        await this.#doMore();
        this.#lastLogged = '';
        this.#report(null);
      } catch (error) {
        this.#reportError(error);
      }
    }
  }

  async #doMore(): Promise<void> {
    if (performance.now() - this.#alsoDoneAt < alsoEveryMs) return;
    await this.#options.alsoDo?.();
    this.#alsoDoneAt = performance.now();
  }

  #takeLock(): void {
    const { dataDir } = this.#options;
    const taken = OwnerLock.tryAcquire(join(roomOf(dataDir, 'locks'), 'follower.lock'), 'follower of views');
    if (!(taken instanceof OwnerLock)) return;
    this.#lock = taken;
    this.#status = new StatusReporter({ dataDir, role: 'follower', clock: this.#options.clock });
    for (const name of namesIn(fetchingDir(dataDir))) {
      const left = join(fetchingDir(dataDir), name); // maybe left by a process that was killed
      const stat = statSync(left, { throwIfNoEntry: false });
      if (stat !== undefined && stat.mtimeMs < Date.now() - abandonedAfterMs) removeScratch(left);
    }
  }

  /** Reports to the status board under a role of its own, because the view belongs to the data directory and not to one role. */
  #report(lastError: LastError | null): void {
    const view = currentIfAny(this.#options.dataDir) ?? null;
    this.#status?.report({ state: 'running', lastError, details: { view } });
  }

  /** Reports an error; logs it unless it repeats the last one. */
  #reportError(error: unknown): void {
    this.#report(lastErrorOf(error, this.#options.clock(), 'store.unavailable'));
    const text = messageOf(error);
    if (text === this.#lastLogged) return;
    this.#lastLogged = text;
    this.#options.logger.error(
      { err: error },
      'the view that serves elsewhere cannot be fetched; the one here goes on',
    );
  }
}
