/**
 * Returns a function that converts an instant (UTC ms) to the local time of a zone, in whole seconds, expressed as if
 * it were UTC. Offsets come from the runtime's IANA data (Intl). Throws a RangeError if the name is not a time zone.
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
    const shown = format.format(at); // '11/22/2026, 14:00:00'; formatToParts takes three times as long
    const [month = 0, day, year = 0, ...time] = (shown.match(/\d+/g) ?? []).map(Number);
    return Date.UTC(year, month - 1, day, ...time);
  };
}
