/** The schedule under an injected clock: whatever the wall clock does, each slot requests one run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schedule } from '../schedule.js';

const [secondMs, minuteMs, hourMs] = [1_000, 60_000, 3_600_000];

/** A schedule with a wall clock and a monotonic one. */
class World {
  /** UTC time of each requested run, to the minute. */
  readonly runs: string[] = [];
  readonly #schedule: Schedule;
  #now: number;
  #elapsed = 5_000_000;

  constructor(schedule: string, zone: string, start: string, lastRunAt?: string) {
    this.#now = Date.parse(start);
    this.#schedule = new Schedule({
      config: { batchSchedule: schedule, batchTimeZone: zone },
      clock: () => this.#now,
      elapsed: () => this.#elapsed,
      lastRunAt: lastRunAt === undefined ? undefined : Date.parse(lastRunAt),
    });
    this.look();
  }

  look(): void {
    if (this.#schedule.isDue()) this.runs.push(new Date(this.#now).toISOString().slice(0, 16));
  }

  /** Advances both clocks, polling as the role does, only less often. */
  pass(ms: number, everyMs = 20 * secondMs): void {
    for (let done = 0; done < ms; done += everyMs) {
      this.#now += everyMs;
      this.#elapsed += everyMs;
      this.look();
    }
  }

  /** Changes only the wall clock: it is set, or the machine was suspended. */
  step(ms: number): void {
    this.#now += ms;
    this.look();
  }

  /** Number of runs requested since the last call. */
  count(): number {
    return this.runs.splice(0).length;
  }
}

test('with a steady clock each slot is due once, and nothing is due without a slot', () => {
  const world = new World('*/10 * * * *', 'UTC', '2026-07-01T00:05:00Z');
  world.pass(2 * hourMs);
  assert.deepEqual(world.runs.slice(0, 3), ['2026-07-01T00:10', '2026-07-01T00:20', '2026-07-01T00:30']);
  assert.equal(world.count(), 12);
  const off = new World('off', 'UTC', '2026-07-01T00:00:00Z', '2020-01-01T00:00:00Z');
  off.pass(24 * hourMs, hourMs);
  assert.equal(off.count(), 0);
});

for (const stepMs of [-2 * hourMs, 2 * hourMs, -10 * minuteMs, 10 * minuteMs, -365 * 24 * hourMs]) {
  test(`a step of the clock by ${stepMs / minuteMs} minutes: minutes go on, and a day's slot is neither lost nor doubled`, () => {
    const minutes = new World('* * * * *', 'UTC', '2026-07-01T11:59:30Z');
    minutes.pass(10 * minuteMs);
    assert.equal(minutes.count(), 10);
    minutes.step(stepMs);
    minutes.pass(30 * minuteMs);
    assert.ok(Math.abs(minutes.count() - 30) <= 1, 'every minute, whatever the clock says');
    minutes.step(-stepMs); // the clock is corrected
    minutes.pass(30 * minuteMs);
    assert.ok(Math.abs(minutes.count() - 30) <= 1);

    const daily = new World('30 2 * * *', 'UTC', '2026-07-01T02:00:00Z');
    daily.pass(hourMs);
    assert.equal(daily.count(), 1);
    daily.step(stepMs);
    daily.pass(hourMs);
    daily.step(-stepMs);
    daily.pass(hourMs);
    assert.equal(daily.count(), 0, 'this day has had its run');
    daily.pass(24 * hourMs);
    assert.equal(daily.count(), 1);
  });
}

test('a clock that is set back by seconds within an hour does not run it again', () => {
  const world = new World('0 * * * *', 'UTC', '2026-07-01T11:59:00Z');
  world.pass(minuteMs);
  world.step(-3 * secondMs);
  world.pass(2 * minuteMs, secondMs);
  assert.deepEqual(world.runs, ['2026-07-01T12:00']);
});

test('after hours of sleep one run is requested at once', () => {
  for (const schedule of ['* * * * *', '0 * * * *', '30 2 * * *', '*/20 * * * * *']) {
    const world = new World(schedule, 'UTC', '2026-07-01T00:00:01Z');
    world.step(9 * hourMs);
    assert.equal(world.count(), 1, schedule);
  }
});

test('a day on which clocks go forward: its slot in the hour that is left out runs when that is over', () => {
  for (const [zone, start, at] of [
    ['Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-29T01:00'],
    ['America/New_York', '2026-03-07T12:00:00Z', '2026-03-08T07:00'],
  ] as const) {
    const daily = new World('30 2 * * *', zone, start);
    daily.pass(24 * hourMs);
    assert.deepEqual(daily.runs, [at], zone);
    const hourly = new World('0 * * * *', zone, start);
    hourly.pass(24 * hourMs);
    assert.equal(hourly.count(), 24, zone);
  }
});

test('a day on which clocks go back: an hour that comes twice has one run of a daily slot, and two of an hourly one', () => {
  for (const [zone, start, schedule, at] of [
    ['Europe/Berlin', '2026-10-24T12:00:00Z', '30 2 * * *', '2026-10-25T00:30'],
    ['America/New_York', '2026-10-31T12:00:00Z', '30 1 * * *', '2026-11-01T05:30'],
  ] as const) {
    const daily = new World(schedule, zone, start);
    daily.pass(24 * hourMs);
    assert.deepEqual(daily.runs, [at], zone);
    for (const [frequent, count] of [
      ['0 * * * *', 24],
      ['*/15 * * * *', 96],
      ['0 */2 * * *', 11],
    ] as const) {
      const world = new World(frequent, zone, start);
      world.pass(24 * hourMs);
      assert.equal(world.count(), count, `${zone} ${frequent}`);
    }
  }
});

test('a slot that passed while nothing ran is due once at the start, in its own zone, and only then', () => {
  const daily = (lastRunAt: string, start: string) =>
    new World('30 2 * * *', 'Europe/Zurich', start, lastRunAt).count();
  // 02:30 in Zurich is 00:30 UTC in summer, 01:30 UTC in winter.
  assert.equal(daily('2026-07-01T00:00:00Z', '2026-07-01T00:29:00Z'), 0);
  assert.equal(daily('2026-07-01T00:00:00Z', '2026-07-01T00:30:00Z'), 1);
  assert.equal(daily('2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z'), 0);
  assert.equal(daily('2024-01-01T00:00:00Z', '2026-01-01T01:00:00Z'), 1);
  assert.equal(new World('0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', '2025-03-01T00:00:00Z').count(), 0);
  const behind = new World('* * * * *', 'UTC', '2026-07-01T00:00:00Z', '2026-07-01T05:00:00Z');
  behind.pass(10 * minuteMs);
  assert.ok(behind.count() >= 9, 'a clock that was set back while nothing ran holds up nobody');
});

test('an invalid expression is refused, and named', () => {
  assert.throws(() => new World('often', 'UTC', '2026-07-01T00:00:00Z'), {
    code: 'config.invalid',
    message: "SWA_BATCH_SCHEDULE 'often' is not a valid cron expression",
  });
});
