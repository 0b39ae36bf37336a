/** Timestamps of facts from outside: RFC 3339 text or UTC milliseconds. */
import { show } from '../lib/errors/show.js';
import { parseRfc3339 } from '../lib/time/real-time.js';
import { timeStart } from './fact.js';

/** Maximum time by which a timestamp may be later than `receivedAt`. */
export const maxClockAheadMs = 5 * 60_000;

/** UTC milliseconds; NaN if the value is not a time. */
export function timeOf(value: unknown): number {
  if (typeof value === 'number') return Math.floor(value);
  return typeof value === 'string' ? parseRfc3339(value) : Number.NaN;
}

/** Why a timestamp is refused, with its value; undefined if it is valid. */
export function timeProblem(value: unknown, receivedAt: number): string | undefined {
  const time = timeOf(value);
  if (!Number.isFinite(time)) {
    const hint = typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? ' (a number in quotes?)' : '';
    return `must be an existing time in RFC 3339, or UTC milliseconds as a number; got ${show(value)}${hint}`;
  }
  if (time < timeStart) return `is before 1990-01-01T00:00:00Z: ${show(value)}${unitHint(time, receivedAt)}`;
  if (time <= receivedAt + maxClockAheadMs) return undefined;
  const now = new Date(receivedAt).toISOString();
  return `is more than 5 minutes after its arrival at ${now}: ${show(value)}${unitHint(time, receivedAt)}`;
}

/** Other units of time, in milliseconds. */
const otherUnits = [
  ['seconds', 1_000],
  ['microseconds', 1e-3],
  ['nanoseconds', 1e-6],
] as const;

/** Suggests the unit in which a refused timestamp would be valid. */
function unitHint(time: number, receivedAt: number): string {
  const latest = receivedAt + maxClockAheadMs;
  const unit = otherUnits.find(([, ms]) => time * ms >= timeStart && time * ms <= latest);
  return unit === undefined ? '' : ` (${unit[0]} instead of milliseconds?)`;
}
