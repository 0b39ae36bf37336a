/**
 * The salts of cookieless sites: 32 random bytes for each UTC day, that turn address and browser into the visitor of that day. A salt
 * lives 6 hours past its day, for events that come late, and is then destroyed: no one, not even who runs the system, can find out any
 * more whose visits they were, or that a visitor of one day is one of another.
 *
 * A salt is a file made by put-if-absent, so that a restart, and several processes on one data directory, have the same one. It is never part of a backup.
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

  /** @param dir where salts are kept; made if it is not there. Throws `data-dir.unusable` */
  constructor(dir: string, clock: Clock) {
    this.#dir = dir;
    this.#clock = clock;
    this.#onDisk(() => makeDirDurable(dir));
    this.destroyExpired();
    // A disk that cannot be written now is tried again a minute later, and by the next start.
    this.#timer = setInterval(() => this.#tryDestroy(), lookEveryMs).unref();
  }

  /**
   * The salt for an event of a time: of the event's day, or of the day of its arrival where that one is gone. Throws
   * `data-dir.unusable` when a new one cannot be kept.
   */
  of(timestamp: number): Buffer {
    const now = this.#clock();
    const day = dayOf(timestamp);
    // A fact may lie a little in the future: the salt of the day that begins then is there before it.
    const isAlive = !isExpired(day, now) && day <= dayOf(now + maxClockAheadMs);
    return this.#salt(isAlive ? day : dayOf(now));
  }

  /** Destroys what is past its time, on disk and in memory. */
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
      const kept = readFileSync(path); // ours, or that of who was first
      if (kept.length === saltBytes) return kept;
      const anew = randomBytes(saltBytes); // damaged: the visitors of this day begin again
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
      // again in a minute
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
