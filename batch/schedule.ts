/** The schedule: node-cron says when, this file says whether a slot was missed while nobody was up. */
import { createTask, validate, type ScheduledTask } from 'node-cron';
import type { Clock } from '../lib/clock.js';
import type { Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors.js';

const minuteMs = 60_000;
/** Further back than this a slot counts as missed without looking. */
const lookBackMs = 40 * 24 * 60 * minuteMs;

export type ScheduleConfig = Pick<Config, 'batchSchedule' | 'batchTimeZone'>;

/** A started schedule that calls `ask` at every slot; undefined when the schedule is 'off'. Throws `config.invalid`. */
export function startSchedule(config: ScheduleConfig, ask: () => void): ScheduledTask | undefined {
  const task = makeTask(config, ask);
  void task?.start();
  return task;
}

/** Whether a slot lies in (lastRunAt, now]: whole minutes, in the schedule's zone. */
export function missedSlot(config: ScheduleConfig, lastRunAt: number, clock: Clock): boolean {
  const task = makeTask(config, () => undefined);
  if (task === undefined) return false;
  const now = clock();
  if (now - lastRunAt > lookBackMs) return true;
  for (let at = Math.floor(lastRunAt / minuteMs + 1) * minuteMs; at <= now; at += minuteMs) {
    if (task.match(new Date(at))) return true;
  }
  return false;
}

function makeTask(config: ScheduleConfig, ask: () => void): ScheduledTask | undefined {
  if (config.batchSchedule === 'off') return undefined;
  if (!validate(config.batchSchedule)) {
    throw new SwaError(
      'config.invalid',
      `SWA_BATCH_SCHEDULE '${config.batchSchedule}' is no cron expression`,
      {
        hint: "five fields, for instance '0 * * * *' for every full hour, or 'off'",
      },
    );
  }
  return createTask(config.batchSchedule, ask, {
    timezone: config.batchTimeZone,
    suppressMissedWarning: true,
  });
}
