/**
 * What a zone's clocks on the wall show at an instant (UTC ms), in whole seconds, as if they were UTC. Offsets come from the
 * runtime's IANA data (Intl). Throws a RangeError on a name that is not a zone.
 */
export function wallTimeIn(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const shown = format.format(at); // '11/22/2026, 14:00:00': parts take three times as long
    const [month = 0, day, year = 0, ...time] = (shown.match(/\d+/g) ?? []).map(Number);
    return Date.UTC(year, month - 1, day, ...time);
  };
}
