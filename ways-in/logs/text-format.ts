/** Makes a log format from a shape: turns the fields of a line into a request. */
import { ClfTimes } from './fields/clf-time.js';
import { unescapeTarget, unescapeText } from './fields/escapes.js';
import { parseRequestLine, type RequestLine } from './fields/request-line.js';
import {
  present,
  refused,
  type LogFormat,
  type ParseLine,
  type ParseOptions,
  type Parsed,
} from './request.js';
import { fields, type Field, type TextShape } from './text-shape.js';

/** Parses the time of a line to UTC ms; undefined if the text is not a time. */
export type ReadTime = (time: string, timeOfDay: string, zone: string) => number | undefined;

export interface TextFormatOptions {
  readonly name: string;
  readonly title: string;
  /** Makes a shape for each file, because a shape holds the line that it reads. */
  readonly shape: () => TextShape;
  /** Parser of times; by default the common log format's. */
  readonly time?: (options: ParseOptions) => ReadTime;
}

export function textFormat({ name, title, shape, time = clfTime }: TextFormatOptions): LogFormat {
  return { name, title, start: (options) => parserOf(shape(), time(options)) };
}

function clfTime(): ReadTime {
  const times = new ClfTimes();
  return (text) => times.read(text);
}

function parserOf(shape: TextShape, readTime: ReadTime): ParseLine {
  // Look up the places of all fields once, not on every line.
  const place = Object.fromEntries(fields.map((field) => [field, shape.placeOf(field)])) as Record<
    Field,
    number
  >;
  const timePlace = place.time < 0 ? place.date : place.time;
  const textAt = (at: number): string | undefined => {
    const text = present(shape.textAt(at));
    return text === undefined ? undefined : unescapeText(text);
  };
  return (line): Parsed => {
    const refusal = shape.read(line);
    if (refusal !== undefined) return refusal;
    const user = shape.textAt(place.user)?.trimEnd() ?? '';
    if (user.includes(' ')) return refused('the user contains a space', user);
    const timeText = shape.textAt(timePlace) ?? '';
    const timeOfDay = shape.textAt(place.timeOfDay) ?? '';
    const time = readTime(timeText, timeOfDay, shape.textAt(place.zone) ?? '');
    if (time === undefined) return refused('cannot parse the time', `${timeText} ${timeOfDay}`.trim());
    const status = shape.textAt(place.status);
    if (status !== undefined && status !== '-' && !/^\d{3}$/.test(status))
      return refused('the status is not a number of three digits', status);
    const { method, target } =
      place.request < 0 ? requestOf(shape, place) : parseRequestLine(shape.textAt(place.request) ?? '');
    const server = textAt(place.server);
    return {
      kind: 'request',
      address: shape.textAt(place.address),
      forwardedFor: textAt(place.forwardedFor),
      user: unescapeText(user),
      time,
      method,
      target: target === undefined ? undefined : unescapeTarget(target),
      status,
      host: textAt(place.host) ?? server?.replace(/:\d{1,5}$/, ''),
      scheme: textAt(place.scheme) ?? schemeOf(shape.textAt(place.port) ?? portOf(server)),
      referrer: textAt(place.referrer),
      userAgent: textAt(place.userAgent),
      eventId: textAt(place.eventId),
      country: textAt(place.country),
    };
  };
}

/** The request in formats that have separate fields for its parts. */
function requestOf(shape: TextShape, place: Readonly<Record<Field, number>>): RequestLine {
  const whole = shape.textAt(place.target < 0 ? place.path : place.target);
  if (whole === undefined || whole === '' || whole === '-') return { method: undefined, target: undefined };
  const method = shape.textAt(place.method) ?? 'GET';
  const query = present(shape.textAt(place.query));
  if (query === undefined || whole.includes('?')) return { method, target: whole };
  return { method, target: `${whole}${query.startsWith('?') ? '' : '?'}${query}` };
}

function portOf(host: string | undefined): string | undefined {
  return host === undefined ? undefined : /:(\d{1,5})$/.exec(host)?.[1];
}

/** The scheme by the port; undefined for other ports than 80 and 443, because a proxy in front may use TLS. */
function schemeOf(port: string | undefined): string | undefined {
  return port === '443' ? 'https' : port === '80' ? 'http' : undefined;
}
