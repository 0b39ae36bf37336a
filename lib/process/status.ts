/**
 * The status board: every role writes what it is doing into its own small file, and anyone may read them all. Roles
 * run as threads, processes or containers; the data directory is what they share, so it carries this too.
 * Not durable on purpose: after a power cut the roles write again.
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
  /** What to do about it, where the error says so. */
  hint: z.string().optional(),
});
export type LastError = Readonly<z.infer<typeof lastErrorSchema>>;

/** Anything thrown, as the board shows it. @param otherwise code of what is neither ours nor the system's */
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
  /** Tells several workers of one role apart. */
  worker: z.string(),
  pid: z.number(),
  host: z.string(),
  /** The space of process ids that `pid` is of; '' where the system does not tell. */
  pidSpace: z.string().default(''),
  updatedAt: z.number(),
  state: z.enum(['starting', 'running', 'stopped', 'failed']),
  lastError: lastErrorSchema.nullable(),
  /** How often it failed and was started again in this process. */
  restarts: z.number().default(0),
  /** What the role wants to show: cut, lag, counters. */
  details: z.record(z.string(), z.unknown()),
});

export type StatusEntry = z.infer<typeof entrySchema>;

const refreshEveryMs = 5_000;

/**
 * One role's own entry. Once it says `running` it refreshes itself until it says otherwise, so that a role whose process
 * or event loop is dead shows by its silence.
 */
export class StatusReporter {
  readonly #file: string;
  readonly #clock: Clock;
  #entry: StatusEntry;
  #refresh: NodeJS.Timeout | undefined;
  /** What the file says, but for its time. */
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

  /** May be called as often as one likes: what is on the board already is not written again before it is due. */
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

  /** Takes the entry off the board: for a worker that others do without from now on. */
  withdraw(): void {
    clearInterval(this.#refresh);
    unlessSystemError(() => removeScratch(this.#file), undefined);
  }

  /** What cannot be written (a full disk, say) is not: the entry grows old, and work continues. */
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

/** A role that has been silent this long is gone. */
const silenceMs = 15_000;

/** Whether the role of an entry is running: it says so, has said so lately, and its process lives (if that can be seen). */
export function isAtWork(entry: StatusEntry, clock: Clock): boolean {
  if (entry.state !== 'running' && entry.state !== 'starting') return false;
  if (Math.abs(clock() - entry.updatedAt) > silenceMs) return false; // a time ahead: the clock has gone back since
  if (entry.host !== hostname() || entry.pidSpace !== pidSpace()) return true;
  try {
    process.kill(entry.pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

/** The space of process ids of this process (Linux), '' elsewhere: containers may share a host name and yet have processes of their own. */
export function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** Entries that cannot be read. */
export function auditStatus(dataDir: string, report: Findings): void {
  const dir = join(dataDir, 'status');
  for (const name of unlessSystemError(() => readdirSync(dir), []).filter((one) => one.endsWith('.json'))) {
    const path = join(dir, name);
    const wayOn = 'delete it: its role writes it again';
    const text = report.attempt(path, wayOn, () => readIfThere(path));
    if (text !== undefined && validJson(entrySchema, text) === undefined)
      report.add(`${path} is damaged: the role is not shown`, wayOn);
  }
}

/** Every role's last entry, by role and worker; those that can be read. */
export function readStatus(dataDir: string): StatusEntry[] {
  const dir = join(dataDir, 'status');
  const names = unlessSystemError(() => readdirSync(dir), []).filter((name) => name.endsWith('.json'));
  return names.toSorted().flatMap((name) => readEntry(join(dir, name)) ?? []);
}

/** Undefined when it is withdrawn, cannot be read, is of another version or damaged. */
function readEntry(path: string): StatusEntry | undefined {
  const text = unlessSystemError(() => readIfThere(path), undefined);
  return text === undefined ? undefined : validJson(entrySchema, text);
}

/** The board is for people to look at: a disk that does not take or give it stops nothing. */
function unlessSystemError<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return otherwise;
  }
}
