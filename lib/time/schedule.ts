/** Evaluates cron expressions without running a timer. */
import { createTask } from 'node-cron';

/** Returns the longest time between two of the next 32 runs in milliseconds; 0 for the schedule "off". */
export function longestGapMs(schedule: string, timeZone: string): number {
  if (schedule === 'off') return 0;
  const task = createTask(schedule, () => undefined, { timezone: timeZone });
  const runs = task.getNextRuns(32).map((run) => run.getTime());
  void task.destroy();
  return runs.reduce((longest, run, i) => Math.max(longest, run - (runs[i - 1] ?? run)), 0);
}
