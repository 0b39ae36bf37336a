/**
 * nginx's log as JSON. `log_format` can name the fields freely; this format knows the names of nginx's variables and other common names.
 */
import { ClfTimes } from '../fields/clf-time.js';
import { parseRequestLine } from '../fields/request-line.js';
import { IsoTimes } from '../fields/iso-times.js';
import { isRefusal, parseJsonLine, textIn, type JsonObject } from '../json-line.js';
import { refused, type LogFormat, type Parsed } from '../request.js';

const names = {
  address: ['remote_addr', 'remote_ip', 'client_ip', 'clientip', 'client'],
  forwardedFor: ['http_x_forwarded_for', 'x_forwarded_for', 'forwarded_for', 'xff'],
  user: ['remote_user'],
  request: ['request'],
  method: ['request_method', 'method', 'http_method'],
  target: ['request_uri', 'uri', 'url', 'path'],
  query: ['args', 'query_string'],
  status: ['status', 'status_code', 'response_code'],
  host: ['host', 'http_host', 'vhost', 'server_name', 'domain'],
  scheme: ['scheme', 'http_x_forwarded_proto'],
  referrer: ['http_referer', 'http_referrer', 'referer', 'referrer'],
  userAgent: ['http_user_agent', 'user_agent', 'agent', 'useragent', 'userAgent'],
  eventId: ['request_id'],
} as const;

const timeNames = ['time_iso8601', 'msec', 'time_local', 'time', 'timestamp', '@timestamp', 'ts', 'date'];

export const nginxJson: LogFormat = {
  name: 'nginx-json',
  title: 'nginx, JSON with the names of its variables',
  isJson: true,
  start() {
    const times = { clf: new ClfTimes(), iso: new IsoTimes() };
    return (line) => parse(line, times);
  },
};

interface Times {
  readonly clf: ClfTimes;
  readonly iso: IsoTimes;
}

function parse(line: string, times: Times): Parsed {
  const entry = parseJsonLine(line);
  if (isRefusal(entry)) return entry;
  const field = (of: keyof typeof names): string | undefined => firstOf(entry, names[of]);
  const address = field('address');
  const isLine = field('request');
  const uri = field('target');
  if (address === undefined && field('forwardedFor') === undefined)
    return refused('the line has no field remote_addr', line);
  if (isLine === undefined && uri === undefined)
    return refused('the line has no field request or request_uri', line);
  const timeText = firstOf(entry, timeNames);
  const time = timeText === undefined ? undefined : timeOf(timeText, times);
  if (time === undefined) return refused('cannot parse the time', timeText ?? line);
  const request = isLine === undefined ? undefined : parseRequestLine(isLine);
  const query = field('query');
  const target = uri === undefined || query === undefined || uri.includes('?') ? uri : `${uri}?${query}`;
  return {
    kind: 'request',
    address,
    forwardedFor: field('forwardedFor'),
    user: field('user'),
    time,
    method: request === undefined ? (field('method') ?? 'GET') : request.method,
    target: request === undefined ? target : request.target,
    status: field('status'),
    host: field('host'),
    scheme: field('scheme'),
    referrer: field('referrer'),
    userAgent: field('userAgent'),
    eventId: field('eventId'),
  };
}

function firstOf(entry: JsonObject, of: readonly string[]): string | undefined {
  for (const name of of) {
    const text = textIn(entry, name);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** UTC ms of RFC 3339, of the common log format's time, or of a number of seconds or milliseconds. */
function timeOf(text: string, times: Times): number | undefined {
  const time = times.iso.read(text) ?? times.clf.read(text);
  if (time !== undefined || !/^\d{9,13}(\.\d+)?$/.test(text)) return time;
  const number = Number(text);
  return Math.floor(number > 1e11 ? number : number * 1_000);
}
