/**
 * The salts of cookieless sites: 32 random bytes for each UTC day, which turn address and browser into the visitor id of that day. A salt
 * is kept for 6 hours after its day, for late events, and then destroyed. After that nobody, not even the operator, can find out whose
 * visits they were, or link visitors of different days.
 *
 * A salt is a file created by put-if-absent, so that restarts, and several processes on one data directory, use the same salt. It is never part of a backup.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { maxClockAheadMs } from '../../facts/timestamps.js';
import { unusable } from '../../lib/files/data-dir.js';
import { createFile, fsyncDir, makeDirDurable, replaceFile } from '../../lib/files/durable.js';
import { removeScratch } from '../../lib/files/removal.js';
import type { Clock } from '../../lib/time/clock.js';

const dayMs = 86_400_000;
const graceMs = 6 * 3_600_000;
const saltBytes = 32;
const lookEveryMs = 60_000;

/** The UTC day of a time, counted from 1970. */
export function dayOf(timestamp: number): number {
  return Math.floor(timestamp / dayMs);
}

export class Salts {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #known = new Map<number, Buffer>();
  readonly #timer: NodeJS.Timeout;

  /** Throws `data-dir.unusable`. @param dir directory of the salts, created if it is missing */
  constructor(dir: string, clock: Clock) {
    this.#dir = dir;
    this.#clock = clock;
    this.#onDisk(() => makeDirDurable(dir));
    this.destroyExpired();
    // If the disk cannot be written now, this is retried every minute and at the next start.
    this.#timer = setInterval(() => this.#tryDestroy(), lookEveryMs).unref();
  }

  /**
   * The salt for an event at `timestamp`: that of its day, or today's if that one is expired. Throws `data-dir.unusable` if a new
   * salt cannot be written.
   */
  of(timestamp: number): Buffer {
    const now = this.#clock();
    const day = dayOf(timestamp);
    // Timestamps may be a little in the future, so the salt of the next day may be needed shortly before that day.
    const isAlive = !isExpired(day, now) && day <= dayOf(now + maxClockAheadMs);
    return this.#salt(isAlive ? day : dayOf(now));
  }

  /** Destroys expired salts on disk and in memory. */
  destroyExpired(): void {
    const now = this.#clock();
    for (const [day, bytes] of this.#known) {
      if (!isExpired(day, now)) continue;
      bytes.fill(0);
      this.#known.delete(day);
    }
    this.#onDisk(() => {
      const expired = readdirSync(this.#dir).filter((name) => {
        const start = Date.parse(`${name}T00:00:00Z`);
        return Number.isNaN(start) ? false : isExpired(dayOf(start), now);
      });
      for (const name of expired) removeScratch(join(this.#dir, name));
      if (expired.length > 0) fsyncDir(this.#dir);
    });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const bytes of this.#known.values()) bytes.fill(0);
    this.#known.clear();
  }

  #salt(day: number): Buffer {
    const known = this.#known.get(day);
    if (known !== undefined) return known;
    const path = join(this.#dir, new Date(day * dayMs).toISOString().slice(0, 10));
    const bytes = this.#onDisk(() => {
      createFile(path, randomBytes(saltBytes));
      const kept = readFileSync(path); // ours, or that of another process that was first
      if (kept.length === saltBytes) return kept;
      const anew = randomBytes(saltBytes); // the file is damaged: visitors of this day get new ids
      replaceFile(path, anew);
      return anew;
    });
    this.#known.set(day, bytes);
    return bytes;
  }

  #tryDestroy(): void {
    try {
      this.destroyExpired();
    } catch {
      // retried in a minute
    }
  }

  #onDisk<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw unusable(this.#dir, cause);
    }
  }
}

function isExpired(day: number, now: number): boolean {
  return now >= (day + 1) * dayMs + graceMs;
}
