/**
 * Restarts failed roles inside `swa start`, so that the failure of one does not stop the others. The pause before a restart
 * doubles up to a minute and is reset once the role has run for a while; the status board shows the error. Only errors that
 * a restart cannot fix end the system: an invalid configuration, a log that does not belong to this data directory, and, at
 * start, a data directory or port that another process holds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError } from '../lib/errors/errors.js';
import type { RoleContext, RunningRole } from '../lib/process/role.js';
import { StatusReporter, lastErrorOf, readStatus, type Role } from '../lib/process/status.js';

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A role that has run this long begins with the first pause again. */
  readonly resetMs: number;
}

const usual: Backoff = { firstMs: 1_000, maxMs: 60_000, resetMs: 60_000 };

/** Error codes that end the system at any time, and those that end it only at its start. */
const fatal: ReadonlySet<string> = new Set(['config.invalid', 'usage.invalid', 'log.mismatch']);
const fatalAtStart: ReadonlySet<string> = new Set([...fatal, 'data-dir.in-use', 'port.in-use']);

/** Starts a role and keeps it running. Rejects with a fatal error, as `done` does later. */
export async function supervise(
  role: Role,
  start: () => Promise<RunningRole>,
  context: RoleContext,
  backoff: Backoff = usual,
): Promise<RunningRole> {
  const supervised = new Supervised(role, start, context, backoff);
  await supervised.begin();
  return supervised;
}

class Supervised implements RunningRole {
  readonly done: Promise<void>;
  readonly #role: Role;
  readonly #start: () => Promise<RunningRole>;
  readonly #context: RoleContext;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #running: RunningRole | undefined;
  #pauseMs: number;
  #life: Promise<void> = Promise.resolve();
  #giveUp: (error: unknown) => void = () => undefined;

  constructor(role: Role, start: () => Promise<RunningRole>, context: RoleContext, backoff: Backoff) {
    this.#role = role;
    this.#start = start;
    this.#context = context;
    this.#backoff = backoff;
    this.#pauseMs = backoff.firstMs;
    this.done = new Promise((_resolve, reject) => (this.#giveUp = reject));
    this.done.catch(() => undefined); // the error is read from `done`
  }

  /** The first start. A failure is retried like later ones, unless it is fatal at start. */
  async begin(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    try {
      this.#running = await this.#start();
    } catch (error) {
      if (isOneOf(fatalAtStart, error)) throw error;
      failure = { error };
    }
    this.#life = this.#live(failure).catch((error: unknown) => this.#giveUp(error));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.stop();
    await this.#life;
  }

  async #live(failure: { readonly error: unknown } | undefined): Promise<void> {
    const { signal } = this.#stopping;
    if (failure !== undefined) await this.#pause(failure.error);
    while (!signal.aborted) {
      const startedAt = performance.now();
      try {
        this.#running ??= await this.#start();
        if (signal.aborted) return await this.#running.stop();
        await Promise.race([this.#running.done, aborted(signal)]);
        if (signal.aborted) return;
        throw new SwaError('internal.invariant', `${this.#role} ended unexpectedly`);
      } catch (error) {
        if (signal.aborted) return;
        await this.#running?.stop().catch(() => undefined); // releases what it still holds
        this.#running = undefined;
        if (isOneOf(fatal, error)) throw error;
        if (performance.now() - startedAt >= this.#backoff.resetMs) this.#pauseMs = this.#backoff.firstMs;
        await this.#pause(error);
      }
    }
  }

  async #pause(reason: unknown): Promise<void> {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(this.#backoff.maxMs, 2 * pauseMs);
    const { logger } = this.#context;
    logger.error(
      { err: reason, pauseMs },
      `${this.#role} failed; it is restarted after a pause, the other roles continue`,
    );
    this.#report(reason, pauseMs);
    await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  /** Writes to the role's own entry, which nothing else writes until the role starts again. */
  #report(error: unknown, pauseMs: number): void {
    const { config, clock } = this.#context;
    const own = readStatus(config.dataDir).find(
      (entry) => entry.role === this.#role && entry.pid === process.pid,
    );
    const worker = own?.worker ?? '0';
    new StatusReporter({ dataDir: config.dataDir, role: this.#role, worker, clock }).report({
      state: 'failed',
      lastError: lastErrorOf(error, clock()),
      restarts: (own?.restarts ?? 0) + 1,
      details: { ...own?.details, nextStartAt: new Date(clock() + pauseMs).toISOString() },
    });
  }
}

function isOneOf(codes: ReadonlySet<string>, error: unknown): boolean {
  return error instanceof SwaError && codes.has(error.code);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
