/** The time of the common log format: `18/May/2015:10:05:03 +0200`. */
import { isRealTime } from '../../../lib/time/real-time.js';

export const monthNames = [
  'Jan',
  'Feb',
  'Mar',
  'Apr',
  'May',
  'Jun',
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
];

const shape =
  /^(\d\d)\/([A-Z][a-z]{2})\/([1-9]\d{3}):(\d\d):(\d\d):(\d\d)(\.\d{1,9})? ([+-])([01]\d|2[0-3])([0-5]\d)$/;

/** Position of the seconds in the text. */
const secondsAt = 18;

/** Parses times. Remembers the last minute, because most lines of a log are in the same minute as the one before. */
export class ClfTimes {
  #minute = '';
  #zone = '';
  #minuteMs = 0;

  /** UTC ms; undefined if the text has another form or the time does not exist. */
  read(text: string): number | undefined {
    if (
      text.length === 26 &&
      text.startsWith(this.#minute) &&
      text.endsWith(this.#zone) &&
      this.#zone !== ''
    ) {
      const second = 10 * (text.charCodeAt(secondsAt) - 0x30) + text.charCodeAt(secondsAt + 1) - 0x30;
      if (second >= 0 && second <= 59 && isDigit(text.charCodeAt(secondsAt + 1)))
        return this.#minuteMs + 1_000 * second;
    }
    const match = shape.exec(text);
    if (match === null) return undefined;
    const [
      ,
      day,
      monthName = '',
      year,
      hour,
      minute,
      second,
      fraction = '',
      sign,
      offsetHours,
      offsetMinutes,
    ] = match;
    const month = monthNames.indexOf(monthName);
    const time = [Number(hour), Number(minute), Number(second)] as const;
    if (!isRealTime(Number(year), month + 1, Number(day), ...time)) return undefined;
    const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000;
    const local = Date.UTC(Number(year), month, Number(day), ...time);
    const at = sign === '-' ? local + offsetMs : local - offsetMs;
    if (fraction !== '') return at + Math.floor(1_000 * Number(fraction));
    this.#minute = text.slice(0, secondsAt);
    this.#zone = text.slice(secondsAt + 2);
    this.#minuteMs = at - 1_000 * Number(second);
    return at;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
