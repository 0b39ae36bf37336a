/**
 * Decides which web pages may use the endpoint. Without keys the endpoint is open to any client that reaches it, and a
 * browser on the same machine reaches it on behalf of every page it shows. So without keys
 *
 *   - only requests for a loopback name or one of `SWA_HTTP_HOSTS` are answered: a page whose own name is made to resolve
 *     to 127.0.0.1 (DNS rebinding) still sends that name as Host;
 *   - changes (all methods but GET, HEAD and OPTIONS) are accepted only from pages of the endpoint's own origin or one of
 *     `SWA_CORS_ORIGINS`, judged by Origin and Sec-Fetch-Site. Programs send neither header.
 *
 * With keys neither is checked: a foreign page has no key, and browsers do not send one by themselves.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Config } from '../config/config.js';
import { HttpProblem } from './problem.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Returns true for `localhost`, 127.0.0.0/8 and ::1 (without brackets). */
export function isLoopback(name: string): boolean {
  const version = isIP(name);
  return version === 0 ? name === 'localhost' : loopback.check(name, version === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Parses `name`, `name.`, `1.2.3.4` or `[::1]` with an optional port. Returns the name in lower case; undefined for
 * anything else.
 */
export function hostName(host: string): string | undefined {
  const [, address, name] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+?)\.?)(?::\d{0,5})?$/i.exec(host) ?? [];
  return (address ?? name)?.toLowerCase();
}

/** A route's settings for pages of other origins; see `RouteDoc`. */
interface CrossOrigin {
  readonly anyOrigin?: boolean;
  readonly foreignKeys?: { allows(origin: string): boolean };
}

const harmless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const exposed = 'ETag, Link, Retry-After, Swa-Cut, X-Request-Id';

export class OriginGuard {
  readonly #hasKeys: boolean;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  /** The last accepted Host: clients repeat the same one. */
  #lastAnswered: string | undefined;

  constructor({ httpHosts, corsOrigins }: Pick<Config, 'httpHosts' | 'corsOrigins'>, hasKeys: boolean) {
    this.#hasKeys = hasKeys;
    this.#hosts = new Set(httpHosts);
    this.#origins = new Set(corsOrigins);
  }

  /** Throws `bad-request` or `misdirected-request`. */
  checkHost(request: IncomingMessage): void {
    const { host } = request.headers;
    if (hasTwoHosts(request))
      throw new HttpProblem('bad-request', 'the Host header is given twice', hostParameter);
    if (host === undefined && request.httpVersion !== '1.0')
      throw new HttpProblem('bad-request', 'the Host header is missing', hostParameter);
    if (this.#hasKeys) return;
    this.#requireKnownName(host ?? '');
    const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(request.url ?? '')?.[1];
    if (authority !== undefined) this.#requireKnownName(authority);
  }

  /** Throws `foreign-origin`. */
  checkOrigin(request: IncomingMessage): void {
    if (this.#hasKeys) return;
    if (!harmless.has(request.method ?? '') && this.#isForeign(request)) {
      throw new HttpProblem(
        'foreign-origin',
        'without SWA_API_KEYS, changes are accepted only from pages of this origin and of SWA_CORS_ORIGINS',
        { parameter: request.headers.origin === undefined ? 'Sec-Fetch-Site' : 'Origin' },
      );
    }
  }

  /**
   * Sets CORS headers for pages of `SWA_CORS_ORIGINS`; if the route allows it, also for pages of any origin (which need
   * a key) and for pages with the route's own kind of key. Returns true if the request was a preflight and has been
   * answered.
   */
  allowCrossOrigin(
    request: IncomingMessage,
    response: ServerResponse,
    { anyOrigin = false, foreignKeys }: CrossOrigin,
  ): boolean {
    const { origin, 'access-control-request-method': asked } = request.headers;
    if (origin === undefined) return false;
    const forAll = anyOrigin && this.#hasKeys;
    if (!forAll && !this.#origins.has(origin) && foreignKeys?.allows(origin) !== true) return false;
    response.setHeader('Vary', 'Origin');
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', exposed);
    // Without this, browsers report the (unread) answer to a beacon as an error of the page.
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    // Beacons are always sent with credentials. A browser has none to add here.
    if (anyOrigin) response.setHeader('Access-Control-Allow-Credentials', 'true');
    if (request.method !== 'OPTIONS' || asked === undefined) return false;
    response.setHeader('Access-Control-Allow-Methods', anyOrigin ? 'POST' : 'GET, HEAD, POST');
    response.setHeader(
      'Access-Control-Allow-Headers',
      'Authorization, Content-Type, If-None-Match, Swa-At-Least, X-Request-Id',
    );
    response.setHeader('Access-Control-Max-Age', '7200');
    response.writeHead(204).end();
    return true;
  }

  #requireKnownName(host: string): void {
    if (host === this.#lastAnswered) return;
    const name = hostName(host);
    if (name === undefined || !(isLoopback(name) || this.#hosts.has(name))) {
      throw new HttpProblem(
        'misdirected-request',
        `without SWA_API_KEYS only localhost, loopback addresses and the names in SWA_HTTP_HOSTS are answered, not '${host.slice(0, 100)}'`,
        hostParameter,
      );
    }
    this.#lastAnswered = host;
  }

  #isForeign({ headers }: IncomingMessage): boolean {
    const { origin, host, 'sec-fetch-site': site } = headers;
    if (origin !== undefined) {
      if (this.#origins.has(origin)) return false;
      const own = /^https?:\/\/(.+)$/i.exec(origin)?.[1];
      if (own === undefined || own.toLowerCase() !== host?.toLowerCase()) return true;
    }
    return site !== undefined && site !== 'same-origin' && site !== 'none';
  }
}

const hostParameter = { parameter: 'Host' };

/** Node silently keeps the first of two Host headers. */
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}
