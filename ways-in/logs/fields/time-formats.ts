/** Time formats of logs: common log format, RFC 3339, epoch numbers and strftime. */
import { SwaError } from '../../../lib/errors/errors.js';
import { isRealTime, parseRfc3339 } from '../../../lib/time/real-time.js';
import type { ParseOptions } from '../request.js';
import type { ReadTime } from '../text-format.js';
import { ClfTimes, monthNames } from './clf-time.js';

export type TimeKind =
  | { readonly kind: 'clf' }
  | { readonly kind: 'iso' }
  /** A decimal number of units since 1970, of `unitMs` milliseconds each. */
  | { readonly kind: 'epoch'; readonly unitMs: number }
  /** C's strftime. Without `%z` the time is in the zone of the import's options. */
  | { readonly kind: 'strftime'; readonly format: string };

/**
 * Makes the parser of a time format. Throws `usage.invalid` if the format is not supported. The function it returns throws
 * `usage.invalid` if times have no zone and the options name none.
 */
export function timeReader(time: TimeKind, hasZoneField: boolean): (options: ParseOptions) => ReadTime {
  switch (time.kind) {
    case 'clf':
      return () => {
        const times = new ClfTimes();
        return (text) => times.read(text);
      };
    case 'iso':
      return () => (text) => orNone(parseIso(text));
    case 'epoch':
      return () => (text) =>
        orNone(/^\d{1,20}(\.\d+)?$/.test(text) ? Math.floor(Number(text) * time.unitMs) : Number.NaN);
    default:
      return strftimeReader(time.format, hasZoneField);
  }
}

function orNone(time: number): number | undefined {
  return Number.isFinite(time) ? time : undefined;
}

/** UTC ms of RFC 3339, also with an offset such as `+0200`; NaN if the text has another form. */
export function parseIso(text: string): number {
  return parseRfc3339(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
}

interface Conversion {
  readonly shape: string;
  /** Stores the matched text in the parts. */
  readonly take?: (parts: Parts, text: string) => void;
}

interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  fractionMs: number;
  isAfternoon: boolean | undefined;
  zone: string;
  epochMs: number | undefined;
}

const two = '(\\d\\d)';

const conversions: Readonly<Record<string, Conversion>> = {
  Y: { shape: '(\\d{4})', take: (parts, text) => (parts.year = Number(text)) },
  y: { shape: two, take: (parts, text) => (parts.year = Number(text) + (Number(text) < 69 ? 2_000 : 1_900)) },
  m: { shape: two, take: (parts, text) => (parts.month = Number(text)) },
  b: { shape: '([A-Za-z]{3})', take: (parts, text) => (parts.month = 1 + monthNames.indexOf(text)) },
  d: { shape: two, take: (parts, text) => (parts.day = Number(text)) },
  e: { shape: ' ?(\\d{1,2})', take: (parts, text) => (parts.day = Number(text)) },
  H: { shape: two, take: (parts, text) => (parts.hour = Number(text)) },
  I: { shape: two, take: (parts, text) => (parts.hour = Number(text) % 12) },
  p: { shape: '([AaPp][Mm])', take: (parts, text) => (parts.isAfternoon = text.toLowerCase() === 'pm') },
  M: { shape: two, take: (parts, text) => (parts.minute = Number(text)) },
  S: { shape: two, take: (parts, text) => (parts.second = Number(text)) },
  f: {
    shape: '(\\d{1,9})',
    take: (parts, text) => (parts.fractionMs = Math.floor(1_000 * Number(`0.${text}`))),
  },
  z: { shape: '([+-]\\d\\d:?\\d\\d|Z)', take: (parts, text) => (parts.zone = text) },
  s: { shape: '(\\d{1,12})', take: (parts, text) => (parts.epochMs = 1_000 * Number(text)) },
  a: { shape: '[A-Za-z]{3}' },
  Z: { shape: '[A-Za-z]{1,5}' },
};

/** Conversions that stand for several others. */
const longForms: Readonly<Record<string, string>> = {
  T: '%H:%M:%S',
  F: '%Y-%m-%d',
  D: '%m/%d/%y',
  R: '%H:%M',
  h: '%b',
};

function strftimeReader(format: string, hasZoneField: boolean): (options: ParseOptions) => ReadTime {
  const taken: ((parts: Parts, text: string) => void)[] = [];
  const spelled = format.replace(/%([TFDRh])/g, (_, letter: string) => longForms[letter] ?? '');
  const source = spelled.replace(/%(.)|[^%]+/g, (text, letter: string | undefined) => {
    if (letter === undefined) return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    if (letter === '%') return '%';
    const conversion = conversions[letter];
    if (conversion === undefined)
      throw new SwaError('usage.invalid', `%${letter} is not supported in a time format: '${format}'`);
    if (conversion.take !== undefined) taken.push(conversion.take);
    return conversion.shape;
  });
  const shape = new RegExp(`^${source}$`);
  const isAbsolute = hasZoneField || /%[zs]/.test(spelled);
  return ({ utcOf }) => {
    if (!isAbsolute && utcOf === undefined) throw zoneIsMissing(`the time format '${format}'`);
    return (time, timeOfDay, zone) => {
      const match = shape.exec(timeOfDay === '' ? time : `${time} ${timeOfDay}`);
      if (match === null) return undefined;
      const parts: Parts = {
        year: Number.NaN,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        fractionMs: 0,
        isAfternoon: undefined,
        zone,
        epochMs: undefined,
      };
      for (const [i, take] of taken.entries()) take(parts, match[i + 1] ?? '');
      return utcOfParts(parts, utcOf);
    };
  };
}

function utcOfParts(parts: Parts, utcOf: ((localMs: number) => number) | undefined): number | undefined {
  if (parts.epochMs !== undefined) return parts.epochMs + parts.fractionMs;
  const { year, month, day, minute, second } = parts;
  const hour = parts.hour + (parts.isAfternoon === true ? 12 : 0);
  if (!isRealTime(year, month, day, hour, minute, second)) return undefined;
  const local = Date.UTC(year, month - 1, day, hour, minute, second) + parts.fractionMs;
  const offset = /^([+-])(\d\d):?(\d\d)$/.exec(parts.zone);
  if (offset !== null) {
    const [, sign, hours, minutes] = offset;
    const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
    return sign === '-' ? local + offsetMs : local - offsetMs;
  }
  return parts.zone === 'Z' || parts.zone === 'GMT' || parts.zone === 'UTC' ? local : utcOf?.(local);
}

function zoneIsMissing(what: string): SwaError {
  return new SwaError('usage.invalid', `${what} has no time zone: missing option --zone`, {
    hint: 'for example --zone Europe/Berlin, --zone UTC or --zone +02:00',
  });
}
