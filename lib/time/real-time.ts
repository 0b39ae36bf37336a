/**
 * Parses written times strictly. `Date.parse` and `Date.UTC` turn 30 February into 2 March and 24:00 into the next day;
 * here times that do not exist are rejected.
 */

const daysIn = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Returns true if the date exists in the Gregorian calendar (month 1..12) and the time in a day; leap seconds do not
 * count.
 */
export function isRealTime(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): boolean {
  const isLeapDay = month === 2 && day === 29 && (year % 400 === 0 || (year % 4 === 0 && year % 100 !== 0));
  const isRealDate = day >= 1 && (day <= (daysIn[month - 1] ?? 0) || isLeapDay);
  return isRealDate && hour <= 23 && minute <= 59 && second <= 59;
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Returns the UTC milliseconds of RFC 3339 text; NaN for other text and for times that do not exist. */
export function parseRfc3339(text: string): number {
  const match = rfc3339.exec(text);
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  const isReal = isRealTime(
    Number(year),
    Number(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return isReal ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
}
