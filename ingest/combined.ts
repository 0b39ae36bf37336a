/**
 * Apache's combined log format (and common, which lacks the last two fields), one line to one pageview. Which lines are
 * pageviews is a rule: by default a successful GET (2xx, 304) of something on the log's host that is no static file.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { isNobody } from '../facts/placeholders.js';
import { isRealTime } from '../lib/time/real-time.js';

/** What stands for a visitor: the address, the address with the user agent, or the logged-in user (without one, or for a placeholder, the address). */
export const visitorRules = ['ip', 'ip-agent', 'user'] as const;

export const combinedOptionsSchema = z.object({
  /** Host the log belongs to; its lines name only the path. */
  host: z.string(),
  scheme: z.enum(['http', 'https']),
  visitor: z.enum(visitorRules),
  /** Methods that view a page. */
  methods: z.array(z.string()).readonly(),
  /** Status codes that count: '2xx' or '304'. */
  statuses: z.array(z.string()).readonly(),
  keepStatic: z.boolean(),
});
export type CombinedOptions = Readonly<z.infer<typeof combinedOptionsSchema>>;
export type VisitorRule = CombinedOptions['visitor'];

export const combinedDefaults = {
  scheme: 'https',
  visitor: 'ip',
  methods: ['GET'],
  statuses: ['2xx', '304'],
  keepStatic: false,
} as const;

/** A pageview without receivedAt and eventId, ready for the door. */
export interface PageviewCandidate {
  readonly type: 'pageview';
  readonly visitor: string;
  readonly url: string;
  readonly timestamp: number;
  readonly userAgent?: string;
  readonly referrer?: string;
}

export type LineResult<T> =
  | { readonly kind: 'fact'; readonly value: T }
  | { readonly kind: 'filtered'; readonly rule: string }
  | { readonly kind: 'rejected'; readonly reason: string };

//                  host     ident  user        [time]           "request"           status  bytes
const lineShape = /^(\S+) (\S+) (.+?) \[([^\]]{1,64})\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-)(.*)$/;
const tailShape = /^ "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"/;
const requestShape = /^([!-~]+) (\S+)(?: HTTP\/[\d.]+)?$/;

/** Reads one line; a rejection names the first field that does not fit. Never throws. */
export function parseCombined(line: string, options: CombinedOptions): LineResult<PageviewCandidate> {
  if (line.trim() === '') return filtered('empty');
  const match = lineShape.exec(line);
  if (match === null) return rejected(`field ${firstBadField(line)} does not fit the combined format`);
  const [, address = '', , user = '-', time = '', request = '', status = '', , tail = ''] = match;
  const timestamp = parseTime(time);
  if (timestamp === undefined) return rejected(`cannot parse the time field (combined format): '${time}'`);
  if (!options.statuses.some((rule) => statusFits(status, rule))) return filtered('status');
  const parts = requestShape.exec(request);
  if (parts === null)
    return rejected(`field request is not 'METHOD target HTTP/x': '${request.slice(0, 80)}'`);
  const [, method = '', target = ''] = parts;
  if (!options.methods.includes(method)) return filtered('method');
  const url = urlOf(target, options);
  if (url === undefined) return filtered('target');
  if (!options.keepStatic && isStatic(target)) return filtered('static');
  const [, referrer = '-', userAgent = '-'] = tailShape.exec(tail) ?? [];
  return {
    kind: 'fact',
    value: {
      type: 'pageview',
      visitor: visitorOf(options.visitor, address, user, userAgent),
      url,
      timestamp,
      ...(userAgent === '-' || userAgent === '' ? {} : { userAgent: unescape(userAgent) }),
      ...(referrer === '-' || referrer === '' ? {} : { referrer: unescape(referrer) }),
    },
  };
}

function rejected(reason: string): LineResult<never> {
  return { kind: 'rejected', reason };
}

function filtered(rule: string): LineResult<never> {
  return { kind: 'filtered', rule };
}

/** Which field a line fails at, for people with a log in another format. */
function firstBadField(line: string): string {
  const steps: readonly (readonly [string, RegExp])[] = [
    ['host', /^\S+ /],
    ['ident', /^\S+ \S+ /],
    ['user', /^\S+ \S+ .+? \[/],
    ['time', /^\S+ \S+ .+? \[[^\]]{1,64}\] /],
    ['request', /^\S+ \S+ .+? \[[^\]]{1,64}\] "(?:[^"\\]|\\.)*" /],
    ['status', /^\S+ \S+ .+? \[[^\]]{1,64}\] "(?:[^"\\]|\\.)*" (?:\d{3}|-) /],
  ];
  const failed = steps.find(([, shape]) => !shape.test(line));
  return failed === undefined ? 'bytes' : failed[0];
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const timeShape =
  /^(\d\d)\/([A-Z][a-z]{2})\/([1-9]\d{3}):(\d\d):(\d\d):(\d\d) ([+-])([01]\d|2[0-3])([0-5]\d)$/;

/** '17/May/2015:10:05:03 +0000' as UTC ms. */
function parseTime(text: string): number | undefined {
  const match = timeShape.exec(text);
  if (match === null) return undefined;
  const [, day, monthName = '', year, hour, minute, second, sign, offsetHours, offsetMinutes] = match;
  const month = months.indexOf(monthName);
  const time = [Number(hour), Number(minute), Number(second)] as const;
  if (!isRealTime(Number(year), month + 1, Number(day), ...time)) return undefined;
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000;
  const local = Date.UTC(Number(year), month, Number(day), ...time);
  return sign === '-' ? local + offsetMs : local - offsetMs;
}

function statusFits(status: string, rule: string): boolean {
  return rule.endsWith('xx') ? status.charAt(0) === rule.charAt(0) && status.length === 3 : status === rule;
}

/** The URL that a request asked for; undefined when it is none of the host, as a proxy's or `*`. */
function urlOf(target: string, { scheme, host }: CombinedOptions): string | undefined {
  if (target.startsWith('/')) return `${scheme}://${host}${target}`;
  const [, authority] = /^https?:\/\/([^/?#]+)/i.exec(target) ?? [];
  return authority?.toLowerCase() === host.toLowerCase() ? target : undefined;
}

const staticExtensions = new Set(
  (
    'png jpg jpeg gif ico svg webp avif bmp css js mjs map json woff woff2 ttf eot otf mp3 mp4 webm ogg avi mov swf ' +
    'zip gz tgz bz2 xz tar rar 7z jar exe dmg deb rpm iso bin'
  ).split(' '),
);

function isStatic(target: string): boolean {
  const end = target.search(/[?#]/);
  const path = end < 0 ? target : target.slice(0, end);
  if (path === '/robots.txt') return true;
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') && staticExtensions.has(path.slice(dot + 1).toLowerCase());
}

function visitorOf(rule: VisitorRule, address: string, user: string, userAgent: string): string {
  if (rule === 'user' && user !== '-' && !isNobody(user)) return `user:${user}`;
  return rule === 'ip-agent'
    ? `ip-agent:${address}:${hash('sha1', userAgent, 'hex').slice(0, 16)}`
    : `ip:${address}`;
}

/** Apache escapes quotes and backslashes in quoted fields. */
function unescape(text: string): string {
  return text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text;
}
