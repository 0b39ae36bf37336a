/** Makes a format of a shape: the fields of a line become a request. */
import { ClfTimes } from './fields/clf-time.js';
import { unescapeTarget, unescapeText } from './fields/escapes.js';
import { parseRequestLine } from './fields/request-line.js';
import {
  present,
  refused,
  type LogFormat,
  type ParseLine,
  type ParseOptions,
  type Parsed,
} from './request.js';
import type { TextShape } from './text-shape.js';

/** Reads the time of a line: UTC milliseconds, undefined for a text that is not one. */
export type ReadTime = (time: string, timeOfDay: string, zone: string) => number | undefined;

export interface TextFormatOptions {
  readonly name: string;
  readonly title: string;
  /** Made anew for each file: a shape holds the line it reads. */
  readonly shape: () => TextShape;
  /** The common log format's time unless given. */
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
  const timeField = shape.has('time') ? 'time' : 'date';
  const hasRequestLine = shape.has('request');
  return (line): Parsed => {
    const refusal = shape.read(line);
    if (refusal !== undefined) return refusal;
    const user = shape.text('user');
    if (user !== undefined && user.trimEnd().includes(' ')) return refused('the user holds a blank', user);
    const timeText = shape.text(timeField) ?? '';
    const timeOfDay = shape.text('timeOfDay') ?? '';
    const time = readTime(timeText, timeOfDay, shape.text('zone') ?? '');
    if (time === undefined) return refused('cannot parse the time', `${timeText} ${timeOfDay}`.trim());
    const status = shape.text('status');
    if (status !== undefined && status !== '-' && !/^\d{3}$/.test(status))
      return refused('the status is not a number of three digits', status);
    const request = hasRequestLine ? parseRequestLine(shape.text('request') ?? '') : undefined;
    const target = request === undefined ? targetOf(shape) : request.target;
    const method =
      request === undefined
        ? (shape.text('method') ?? (target === undefined ? undefined : 'GET'))
        : request.method;
    const server = textOf(shape, 'server');
    const port = shape.text('port') ?? portOf(server);
    return {
      kind: 'request',
      address: shape.text('address'),
      forwardedFor: textOf(shape, 'forwardedFor'),
      user: unescapeText(user?.trimEnd() ?? ''),
      time,
      method,
      target: target === undefined ? undefined : unescapeTarget(target),
      status,
      host: textOf(shape, 'host') ?? server?.replace(/:\d{1,5}$/, ''),
      scheme: textOf(shape, 'scheme') ?? schemeOf(port),
      referrer: textOf(shape, 'referrer'),
      userAgent: textOf(shape, 'userAgent'),
      eventId: textOf(shape, 'eventId'),
      country: textOf(shape, 'country'),
    };
  };
}

function textOf(shape: TextShape, field: Parameters<TextShape['text']>[0]): string | undefined {
  const text = present(shape.text(field));
  return text === undefined ? undefined : unescapeText(text);
}

/** Of formats that write path and query apart. */
function targetOf(shape: TextShape): string | undefined {
  const whole = shape.text('target') ?? shape.text('path');
  if (whole === undefined || whole === '' || whole === '-') return undefined;
  const query = present(shape.text('query'));
  if (query === undefined || whole.includes('?')) return whole;
  return `${whole}${query.startsWith('?') ? '' : '?'}${query}`;
}

function portOf(host: string | undefined): string | undefined {
  return host === undefined ? undefined : /:(\d{1,5})$/.exec(host)?.[1];
}

/** Another port than the two well-known ones says nothing: a proxy in front may speak TLS. */
function schemeOf(port: string | undefined): string | undefined {
  return port === '443' ? 'https' : port === '80' ? 'http' : undefined;
}
