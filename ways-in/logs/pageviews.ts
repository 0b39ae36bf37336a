/**
 * Decides which requests are pageviews, and of which visitor, for every format. By default a pageview is a successful GET (2xx, 304) of a page
 * on the site that is not a static file.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { isPlaceholderId } from '../../facts/placeholders.js';
import type { HashedAddresses } from './hashed-address.js';
import type { LineResult } from '../../ingest/line-format.js';
import { clientAddress } from './fields/address.js';
import { present, refused, withoutOption, type LogRequest, type Refusal } from './request.js';

/**
 * What identifies a visitor: the address; the address with the user agent; both, hashed with a key of the data directory; or the logged-in user. Without a user, or
 * if it is a placeholder, `user` takes the address, hashed if `hashAddresses` is set.
 */
const visitorRules = ['ip', 'ip-agent', 'ip-agent-hash', 'user'] as const;
export type VisitorRule = (typeof visitorRules)[number];

export const pageviewOptionsSchema = z.object({
  /** The site of lines that do not name one. Lines that name another site are filtered. */
  host: z.string().optional(),
  /** Scheme of the URLs; by default the line's, else https. */
  scheme: z.enum(['http', 'https']).optional(),
  visitor: z.enum(visitorRules),
  /** With the rule `user`: hash the addresses of visitors without a user. */
  hashAddresses: z.boolean().optional(),
  /** Methods that count as pageviews. */
  methods: z.array(z.string()).readonly(),
  /** Status codes that count: '2xx' or '304'. */
  statuses: z.array(z.string()).readonly(),
  keepStatic: z.boolean(),
  /** Number of own proxies in front of the server; see `clientAddress`. By default the format decides. */
  trustedProxies: z.number().optional(),
});
export type PageviewOptions = Readonly<z.infer<typeof pageviewOptionsSchema>> & {
  /** Set if addresses are hashed. Not stored: each process makes it with the key. */
  readonly hashed?: HashedAddresses;
};

/** Whether the options hash addresses. */
export function hashesIn({ visitor, hashAddresses = false }: PageviewOptions): boolean {
  return visitor === 'ip-agent-hash' || (visitor === 'user' && hashAddresses);
}

export const pageviewDefaults = {
  visitor: 'ip',
  methods: ['GET'],
  statuses: ['2xx', '304'],
  keepStatic: false,
} as const;

const hostShape = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** Whether a text is a host name or an address, with or without a port. */
export function isHost(text: string): boolean {
  return hostShape.test(text);
}

type Rejected = Omit<Refusal, 'kind'> & { readonly kind: 'rejected' };
export type LogResult = Exclude<LineResult, { kind: 'rejected' }> | Rejected;

/** The pageview of a request, or why it is not one. */
export function pageviewOf(request: LogRequest, options: PageviewOptions, trustedProxies: number): LogResult {
  const { method, target, status } = request;
  // Checked first: without a valid address the line is not of this format, and its other fields mean nothing.
  const address =
    request.visitor === undefined ? clientAddress(request.address, request.forwardedFor, trustedProxies) : '';
  if (typeof address !== 'string') return rejected(address);
  if (method === undefined || target === undefined) return filtered('not a request');
  if (!options.methods.includes(method))
    return filtered(`method ${commonMethods.has(method) ? method : 'of another kind'}`);
  if (status !== undefined && !options.statuses.some((rule) => statusFits(status, rule)))
    return filtered(`status ${/^[1-5]\d\d$/.test(status) ? `${status.charAt(0)}xx` : 'of another kind'}`);
  const place = pageTarget(target, request, options);
  if ('kind' in place) return place;
  const { path, host, scheme } = place;
  if (!options.keepStatic && isStatic(path)) return filtered('static file');
  const visitor = request.visitor ?? visitorOf(address, request, options);
  const { referrer, userAgent, eventId, country } = request;
  const value: Record<string, unknown> = {
    type: 'pageview',
    visitor,
    url: `${scheme}://${host}${path}`,
    timestamp: request.time,
  };
  if (userAgent !== undefined) value['userAgent'] = userAgent;
  if (referrer !== undefined) value['referrer'] = referrer;
  if (eventId !== undefined) value['eventId'] = eventId;
  if (country !== undefined) value['country'] = country;
  return { kind: 'fact', value, site: request.host === undefined ? (options.host ?? '') : '' };
}

const commonMethods = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
  'PROPFIND',
]);

function filtered(reason: string): LineResult & { kind: 'filtered' } {
  return { kind: 'filtered', reason };
}

export function rejected(refusal: Refusal): Rejected {
  return { ...refusal, kind: 'rejected' };
}

function statusFits(status: string, rule: string): boolean {
  return rule.endsWith('xx') ? status.charAt(0) === rule.charAt(0) && status.length === 3 : status === rule;
}

interface PageTarget {
  readonly scheme: string;
  readonly host: string;
  /** With the query. */
  readonly path: string;
}

/** The requested page and its site. An absolute URL as target (a proxy request) is a page of the site only if it names the site. */
function pageTarget(target: string, request: LogRequest, options: PageviewOptions): PageTarget | LogResult {
  let path = target;
  let own = request.host;
  let scheme = request.scheme;
  if (!target.startsWith('/')) {
    const [, urlScheme = '', authority, rest = ''] = /^(https?):\/\/([^/?#]+)(.*)$/i.exec(target) ?? [];
    if (authority === undefined) return filtered('target is not a page');
    path = rest.startsWith('/') ? rest : `/${rest}`;
    const site = own ?? options.host;
    if (site === undefined) scheme ??= urlScheme.toLowerCase();
    else if (!sameHost(authority, site)) return filtered('another host');
    own ??= options.host ?? authority;
  }
  const host = own ?? options.host;
  if (host === undefined) return rejected(withoutOption('--host', 'the host is missing'));
  if (own !== undefined && own !== options.host && !isHost(own))
    return rejected(refused('the host is not a host name', own));
  if (options.host !== undefined && host !== options.host && !sameHost(host, options.host))
    return filtered('another host');
  return { scheme: options.scheme ?? scheme ?? 'https', host, path };
}

/** Compares hosts without case and default ports. */
function sameHost(a: string, b: string): boolean {
  return bare(a) === bare(b);
}

function bare(host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)$/, '');
}

const staticExtensions = new Set(
  (
    'png jpg jpeg gif ico svg webp avif bmp css js mjs map json woff woff2 ttf eot otf mp3 mp4 webm ogg avi mov swf ' +
    'zip gz tgz bz2 xz tar rar 7z jar exe dmg deb rpm iso bin'
  ).split(' '),
);

function isStatic(target: string): boolean {
  const end = target.search(/[?#;]/);
  const path = end < 0 ? target : target.slice(0, end);
  if (path === '/robots.txt') return true;
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') && staticExtensions.has(path.slice(dot + 1).toLowerCase());
}

function visitorOf(address: string, request: LogRequest, options: PageviewOptions): string {
  const { visitor: rule, hashed } = options;
  const user = present(request.user);
  if (rule === 'user' && user !== undefined && !isPlaceholderId(user)) return `user:${user}`;
  if (hashesIn(options)) {
    if (hashed === undefined) throw new Error('no key to hash addresses with');
    return hashed.visitorOf(address, request.userAgent);
  }
  if (rule !== 'ip-agent') return `ip:${address}`;
  return `ip-agent:${address}:${hash('sha1', request.userAgent ?? '-', 'hex').slice(0, 16)}`;
}
