/** Converts local times to UTC. */
import { SwaError } from '../../../lib/errors/errors.js';
import { hourMs } from '../../../lib/time/buckets.js';
import { wallTimeIn } from '../../../lib/time/wall-time.js';

/**
 * Returns a function from local time in a zone, as ms as if it were UTC, to UTC ms. When clocks are set back, a repeated hour is taken as the first;
 * when they are set forward, a skipped hour is taken as the hour after the change. Throws `usage.invalid` if `zone` is neither an IANA zone nor an offset (`+02:00`).
 */
export function zoneReader(zone: string): (localMs: number) => number {
  const offset = /^([+-])([01]\d|2[0-3]):?([0-5]\d)$/.exec(zone);
  if (offset !== null) {
    const [, sign, hours, minutes] = offset;
    const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
    return (localMs) => localMs - offsetMs;
  }
  let wallTime: (at: number) => number;
  try {
    wallTime = wallTimeIn(zone);
  } catch (cause) {
    throw new SwaError('usage.invalid', `--zone is neither an IANA time zone nor an offset: '${zone}'`, {
      cause,
      hint: 'for example --zone Europe/Berlin, --zone UTC or --zone +02:00',
    });
  }
  const offsetAt = (at: number): number => wallTime(at) - Math.floor(at / 1_000) * 1_000;
  /** The last quarter of an hour, whose offset is cached: zones only change at such times. */
  let quarter = Number.NaN;
  let offsetMs = 0;
  return (localMs) => {
    const now = Math.floor(localMs / (hourMs / 4));
    if (now !== quarter) {
      // The offset before a change is tried first, so that the first of two possible instants is taken.
      const before = offsetAt(localMs - 24 * hourMs);
      const after = offsetAt(localMs + 24 * hourMs);
      offsetMs =
        offsetAt(localMs - before) === before ? before : offsetAt(localMs - after) === after ? after : before;
      quarter = now;
    }
    return localMs - offsetMs;
  };
}
