/** GoAccess' log-format: `%h %^[%d:%t %^] "%r" %s %b "%R" "%u"`. https://goaccess.io/man#custom-log */
import { SwaError } from '../../../lib/errors/errors.js';
import type { Part } from './compile.js';
import type { TimeKind } from '../fields/time-formats.js';
import type { Field } from '../text-shape.js';

const specifier = /~h(?:\{[^}]*\})?|%([a-zA-Z^~%])/g;

const byLetter: Readonly<Record<string, Field>> = {
  x: 'time',
  d: 'date',
  t: 'timeOfDay',
  v: 'host',
  h: 'address',
  e: 'user',
  r: 'request',
  m: 'method',
  U: 'target',
  q: 'query',
  s: 'status',
  R: 'referrer',
  u: 'userAgent',
};

/** GoAccess' options `date-format` and `time-format`. */
export interface GoAccessTimes {
  readonly dateFormat: string;
  readonly timeFormat: string;
}

/** Parses a format into its parts and the format of its time. Throws `usage.invalid` if it has no specifiers. */
export function readGoAccess(format: string, times: GoAccessTimes): { parts: Part[]; time: TimeKind } {
  const parts: Part[] = [];
  let at = 0;
  let isAfterTime = false;
  let hasWholeTime = false;
  for (const match of format.matchAll(specifier)) {
    if (match.index > at) parts.push(format.slice(at, match.index));
    at = match.index + match[0].length;
    const [title, letter] = match;
    if (letter === '~') parts.push(' ');
    else if (letter === '%') parts.push('%');
    else {
      // A specifier to skip between the time and its bracket is the zone, which GoAccess itself does not read.
      const isZone = letter === '^' && isAfterTime && format.startsWith(']', at);
      const field = letter === undefined ? 'forwardedFor' : isZone ? 'zone' : (byLetter[letter] ?? 'ignored');
      parts.push({ field, title });
      isAfterTime = letter === 't' || letter === 'x';
      if (letter === 'x') hasWholeTime = true;
    }
  }
  if (at === 0) throw new SwaError('usage.invalid', `the log format has no fields: '${format}'`);
  if (at < format.length) parts.push(format.slice(at));
  const { dateFormat, timeFormat } = times;
  const whole = hasWholeTime ? dateFormat : `${dateFormat} ${timeFormat}`;
  return { parts, time: { kind: 'strftime', format: whole } };
}
