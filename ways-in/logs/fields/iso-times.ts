/** Parses RFC 3339 times: `2015-05-18T10:05:03.123+02:00`. Remembers the last minute, because most lines share it with the one before. */
import { parseIso } from './time-formats.js';

/** Position of the seconds in the text. */
const secondsAt = 17;

export class IsoTimes {
  #minute = '';
  #zone = '';
  #minuteMs = 0;

  /** UTC ms; undefined if the text has another form or the time does not exist. */
  read(text: string): number | undefined {
    if (this.#zone !== '' && text.startsWith(this.#minute) && text.endsWith(this.#zone)) {
      const ms = millisecondsOf(text, text.length - this.#zone.length);
      if (ms >= 0) return this.#minuteMs + ms;
    }
    const time = parseIso(text);
    if (!Number.isFinite(time)) return undefined;
    const ms = millisecondsOf(text, text.search(/(?:[Zz]|[+-]\d\d:?\d\d)$/));
    this.#minute = text.slice(0, secondsAt);
    this.#zone = /(?:[Zz]|[+-]\d\d:?\d\d)$/.exec(text)?.[0] ?? '';
    this.#minuteMs = time - ms;
    if (ms < 0) this.#zone = '';
    return time;
  }
}

/** Milliseconds of the seconds `SS` or `SS.fff` that end at `to`; -1 if the text has another form. */
function millisecondsOf(text: string, to: number): number {
  const tens = text.charCodeAt(secondsAt) - 0x30;
  const ones = text.charCodeAt(secondsAt + 1) - 0x30;
  if (!(tens >= 0 && tens <= 5 && ones >= 0 && ones <= 9) || to < secondsAt + 2) return -1;
  let ms = 10_000 * tens + 1_000 * ones;
  if (to === secondsAt + 2) return ms;
  if (text.charAt(secondsAt + 2) !== '.' || to === secondsAt + 3) return -1;
  let unit = 100;
  for (let at = secondsAt + 3; at < to; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return -1;
    if (unit >= 1) ms += unit * digit;
    unit = unit >= 10 ? unit / 10 : 0;
  }
  return ms;
}
