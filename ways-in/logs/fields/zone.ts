/** Times without a zone: which instant clocks on the wall meant. */
import { SwaError } from '../../../lib/errors/errors.js';
import { hourMs } from '../../../lib/time/buckets.js';
import { wallTimeIn } from '../../../lib/time/wall-time.js';

/**
 * Makes UTC milliseconds of what clocks in a zone show, given as if it were UTC. An hour that comes twice is taken for the first one, one that
 * is left out for as long after the change. Throws `usage.invalid` for a name that is neither an IANA zone nor an offset (`+02:00`).
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
  /** Of the quarter of an hour that was read last: zones change at no other times. */
  let quarter = Number.NaN;
  let offsetMs = 0;
  return (localMs) => {
    const now = Math.floor(localMs / (hourMs / 4));
    if (now !== quarter) {
      // Before a change the earlier offset holds; it is tried first, so that of two instants the first is taken.
      const before = offsetAt(localMs - 24 * hourMs);
      const after = offsetAt(localMs + 24 * hourMs);
      offsetMs =
        offsetAt(localMs - before) === before ? before : offsetAt(localMs - after) === after ? after : before;
      quarter = now;
    }
    return localMs - offsetMs;
  };
}
