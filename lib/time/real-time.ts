/**
 * Times as people and machines write them. `Date.parse` and `Date.UTC` take the 30th of February for the 2nd of March and
 * 24:00 for the next day; here a time that does not exist is none.
 */

const daysIn = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** True where the Gregorian calendar has such a date (month 1..12) and a day such a time; a leap second is none. */
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

/** UTC ms of RFC 3339 text; NaN for other text and for times that do not exist. */
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
