/**
 * The status board: every role writes its state into its own small file, and any process may read them all. Roles run
 * as threads, processes or containers; they share the data directory, so the board is kept there. It is deliberately
 * not durable: after a power cut the roles write it again.
 */
import { mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../time/clock.js';
import { SwaError, messageOf, systemCode, type ErrorCode } from '../errors/errors.js';
import { replaceNote } from '../files/durable.js';
import { removeScratch } from '../files/removal.js';
import { readIfThere } from '../files/read-if-there.js';
import type { Findings } from '../errors/finding.js';
import { validJson } from '../files/valid-json.js';

export const roles = ['collector', 'sink', 'batch', 'speed', 'query'] as const;
export type Role = (typeof roles)[number];

const lastErrorSchema = z.object({
  at: z.number(),
  code: z.string(),
  message: z.string(),
  /** What to do about it, if the error has a hint. */
  hint: z.string().optional(),
});
export type LastError = Readonly<z.infer<typeof lastErrorSchema>>;

/** Converts any thrown value for the board. @param otherwise code for errors that are neither ours nor the system's */
export function lastErrorOf(
  error: unknown,
  at: number,
  otherwise: ErrorCode = 'internal.invariant',
): LastError {
  const isOurs = error instanceof SwaError;
  return {
    at,
    code: isOurs ? error.code : (systemCode(error) ?? otherwise),
    message: messageOf(error),
    ...(isOurs && error.hint !== undefined ? { hint: error.hint } : {}),
  };
}

const entrySchema = z.object({
  role: z.string(),
  /** Identifies a worker if a role has several. */
  worker: z.string(),
  pid: z.number(),
  host: z.string(),
  /** The process id namespace of `pid`; '' if the system does not tell. */
  pidSpace: z.string().default(''),
  updatedAt: z.number(),
  state: z.enum(['starting', 'running', 'stopped', 'failed']),
  lastError: lastErrorSchema.nullable(),
  /** Number of restarts after failures in this process. */
  restarts: z.number().default(0),
  /** Role-specific values: cut, lag, counters. */
  details: z.record(z.string(), z.unknown()),
});

export type StatusEntry = z.infer<typeof entrySchema>;

const refreshEveryMs = 5_000;

/**
 * Writes one role's entry. While the state is `running` the entry is refreshed periodically, so that a dead process or
 * a blocked event loop is recognised by an old entry.
 */
export class StatusReporter {
  readonly #file: string;
  readonly #clock: Clock;
  #entry: StatusEntry;
  #refresh: NodeJS.Timeout | undefined;
  /** The content last written, without its time. */
  #written = '';

  constructor(options: { dataDir: string; role: Role | 'follower'; worker?: string; clock: Clock }) {
    const worker = options.worker ?? '0';
    const dir = join(options.dataDir, 'status');
    this.#file = join(dir, `${options.role}-${worker}.json`);
    unlessSystemError(() => mkdirSync(dir, { recursive: true }), undefined);
    const before = readEntry(this.#file);
    const isRestart =
      before?.pid === process.pid && before.pidSpace === pidSpace() && before.state === 'failed';
    this.#clock = options.clock;
    this.#entry = {
      role: options.role,
      worker,
      pid: process.pid,
      host: hostname(),
      pidSpace: pidSpace(),
      updatedAt: 0,
      state: 'starting',
      lastError: isRestart ? before.lastError : null,
      restarts: isRestart ? before.restarts : 0,
      details: {},
    };
  }

  /** Updates the entry. Cheap to call often: an unchanged entry is written again only when a refresh is due. */
  report(change: Partial<Pick<StatusEntry, 'state' | 'lastError' | 'restarts' | 'details'>>): void {
    this.#entry = { ...this.#entry, ...change };
    const isDue = this.#clock() - this.#entry.updatedAt >= refreshEveryMs;
    if (isDue || textOf(this.#entry) !== this.#written) this.#write();
    if (this.#entry.state === 'running') {
      this.#refresh ??= setInterval(() => this.#write(), refreshEveryMs).unref();
    } else {
      clearInterval(this.#refresh);
      this.#refresh = undefined;
    }
  }

  /** Removes the entry, for a worker that is no longer needed. */
  withdraw(): void {
    clearInterval(this.#refresh);
    unlessSystemError(() => removeScratch(this.#file), undefined);
  }

  /** Ignores write errors such as a full disk: the entry becomes old, and the role keeps working. */
  #write(): void {
    this.#entry = { ...this.#entry, updatedAt: this.#clock() };
    unlessSystemError(() => {
      replaceNote(this.#file, JSON.stringify(this.#entry));
      this.#written = textOf(this.#entry);
    }, undefined);
  }
}

function textOf(entry: StatusEntry): string {
  return JSON.stringify({ ...entry, updatedAt: 0 });
}

/** An entry older than this belongs to a role that is gone. */
const silenceMs = 15_000;

/**
 * Returns true if a role is running: its entry says so, is recent, and its process is alive (if that can be checked
 * here).
 */
export function isAtWork(entry: StatusEntry, clock: Clock): boolean {
  if (entry.state !== 'running' && entry.state !== 'starting') return false;
  if (Math.abs(clock() - entry.updatedAt) > silenceMs) return false; // also when ahead: the clock has gone back since
  if (entry.host !== hostname() || entry.pidSpace !== pidSpace()) return true;
  try {
    process.kill(entry.pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

/**
 * Returns this process's process id namespace (Linux), '' elsewhere. Containers may share a host name but have separate
 * process ids.
 */
export function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Reports entries that cannot be read. */
export function auditStatus(dataDir: string, report: Findings): void {
  const dir = join(dataDir, 'status');
  for (const name of unlessSystemError(() => readdirSync(dir), []).filter((one) => one.endsWith('.json'))) {
    const path = join(dir, name);
    const fix = 'delete it: its role writes it again';
    const text = report.attempt(path, fix, () => readIfThere(path));
    if (text !== undefined && validJson(entrySchema, text) === undefined)
      report.add(`${path} is damaged: the role is not shown`, fix);
  }
}

/** Returns all readable entries, ordered by role and worker. */
export function readStatus(dataDir: string): StatusEntry[] {
  const dir = join(dataDir, 'status');
  const names = unlessSystemError(() => readdirSync(dir), []).filter((name) => name.endsWith('.json'));
  return names.toSorted().flatMap((name) => readEntry(join(dir, name)) ?? []);
}

/** Returns undefined if the entry is missing, unreadable, damaged or of another version. */
function readEntry(path: string): StatusEntry | undefined {
  const text = unlessSystemError(() => readIfThere(path), undefined);
  return text === undefined ? undefined : validJson(entrySchema, text);
}

/** The board is informational, so disk errors must not stop a role. */
function unlessSystemError<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return otherwise;
  }
}
