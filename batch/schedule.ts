/**
 * The schedule. node-cron parses the expression and tells which times match it; this module decides which are due, by comparing with the clock
 * at each poll. So it does not depend on timers that fire on time, and no slot is lost or doubled by a suspended or busy machine, a clock that
 * is set, or the days on which a zone's clocks change:
 *
 * - Slots are wall-clock times of the zone. The slots passed since the last poll are due, all together once: also after hours of sleep,
 *   after a step forward, and those in an hour that the zone skips (they run when it is over).
 * - When the wall clock goes back (a step, or an hour that the zone repeats), it shows the same times again. A slot then is due
 *   again only if as much time has really passed since the last one as lies between it and the slot before it: a schedule of minutes
 *   or hours keeps its pace, and a daily one does not run twice.
 */
import { createTask, validate } from 'node-cron';
import type { Clock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors/errors.js';
import { wallTimeIn } from '../lib/time/wall-time.js';

export type ScheduleConfig = Pick<Config, 'batchSchedule' | 'batchTimeZone'>;

export interface ScheduleOptions {
  readonly config: ScheduleConfig;
  readonly clock: Clock;
  /** Monotonic milliseconds, from any start. */
  readonly elapsed: () => number;
  /** Start of the last run, by the clock: slots since then were missed. Undefined if there was none. */
  readonly lastRunAt: number | undefined;
}

/** Limit of the search for earlier slots: longer than a leap year. */
const lookBackMs = 400 * 86_400_000;
const [secondMs, minuteMs, hourMs, dayMs] = [1_000, 60_000, 3_600_000, 86_400_000];

export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #slots: Slots | undefined;
  readonly #wallTime: (at: number) => number;
  /** The latest wall time whose slots are handled. */
  #settled: number;
  /** Times by `elapsed`: when a slot was last due, and the last poll. */
  #dueAt: number;
  #lookedAt: number;

  /** Throws `config.invalid`. */
  constructor(options: ScheduleOptions) {
    const { config, clock, elapsed, lastRunAt } = options;
    this.#options = options;
    this.#slots = config.batchSchedule === 'off' ? undefined : new Slots(config.batchSchedule);
    this.#wallTime = wallTimeIn(config.batchTimeZone);
    this.#settled = this.#wallTime(lastRunAt ?? clock());
    this.#dueAt = elapsed();
    this.#lookedAt = elapsed();
  }

  /** Whether a slot has become due since the last call. */
  isDue(): boolean {
    if (this.#slots === undefined) return false;
    const now = this.#wallTime(this.#options.clock());
    const settled = this.#settled;
    const elapsed = this.#options.elapsed();
    const sinceLookMs = elapsed - this.#lookedAt;
    this.#lookedAt = elapsed;
    if (now > settled) {
      this.#settled = now;
      return this.#slots.last(settled, now) !== undefined && this.#due();
    }
    const again = this.#slots.last(now - sinceLookMs, now);
    if (again === undefined) return false;
    const before = this.#slots.last(again - lookBackMs, again - secondMs);
    const pace = before === undefined ? Number.POSITIVE_INFINITY : again - before;
    return elapsed - this.#dueAt >= pace - Math.min(5 * secondMs, pace / 4) && this.#due();
  }

  #due(): true {
    this.#dueAt = this.#options.elapsed();
    return true;
  }
}

/** The wall times that match an expression, in milliseconds as if the zone were UTC. */
class Slots {
  readonly #matchers: readonly { readonly sizeMs: number; readonly matches: (at: number) => boolean }[];

  constructor(expression: string) {
    if (!validate(expression)) {
      throw new SwaError(
        'config.invalid',
        `SWA_BATCH_SCHEDULE '${expression}' is not a valid cron expression`,
        {
          hint: "use five fields, for example '0 * * * *' for every hour, or 'off'",
        },
      );
    }
    const fields = expression.trim().split(/\s+/);
    const [minute = '*', hour = '*', ...days] = fields.slice(-5);
    const perSecond = fields.length === 6 ? [{ sizeMs: secondMs, fields: fields }] : [];
    // From large to small, so that a day without slots is skipped after one check.
    this.#matchers = [
      { sizeMs: dayMs, fields: ['*', '*', ...days] },
      { sizeMs: hourMs, fields: ['*', hour, ...days] },
      { sizeMs: minuteMs, fields: [minute, hour, ...days] },
      ...perSecond,
    ].map(({ sizeMs, fields: text }) => {
      const task = createTask(text.join(' '), () => undefined, { timezone: 'UTC' });
      return { sizeMs, matches: (at) => task.match(new Date(at)) };
    });
  }

  /** The last slot in (after, to], at most `lookBackMs` back. */
  last(after: number, to: number): number | undefined {
    const slotMs = this.#matchers.at(-1)?.sizeMs ?? minuteMs;
    if (Math.floor(after / slotMs) === Math.floor(to / slotMs)) return undefined; // no slot in between; shortcut for frequent polls
    return this.#lastOf(after, to, 0);
  }

  #lastOf(after: number, to: number, level: number): number | undefined {
    const matcher = this.#matchers[level];
    if (matcher === undefined) return to;
    const { sizeMs, matches } = matcher;
    const from = Math.max(after, to - lookBackMs);
    for (let start = Math.floor(to / sizeMs) * sizeMs; start + sizeMs > from; start -= sizeMs) {
      if (!matches(start)) continue;
      const isLeaf = level === this.#matchers.length - 1;
      const found = isLeaf
        ? start
        : this.#lastOf(Math.max(from, start - 1), Math.min(to, start + sizeMs - 1), level + 1);
      if (found !== undefined && found > from) return found;
    }
    return undefined;
  }
}
