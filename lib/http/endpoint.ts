/**
 * The HTTP endpoint of a process: one express app on which collector and query mount their route tables (and the page
 * its files). It handles what all routes share: request ids, security headers, keys, limits, deadlines, the request
 * log, problem+json for all errors, and a graceful shutdown.
 */
import { randomBytes } from 'node:crypto';
import { IncomingMessage, STATUS_CODES, ServerResponse, createServer, type Server } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import type { Clock } from '../time/clock.js';
import type { Config } from '../config/config.js';
import { SwaError, messageOf, systemCode } from '../errors/errors.js';
import {
  allows,
  authorize,
  checkExposure,
  domainOfCaller,
  outsideDomain,
  parseApiKeys,
  type ApiKey,
  type Caller,
  type Scope,
} from './auth.js';
import { Concurrency, RateLimit } from './limits.js';
import { PendingBodies, checkBodyType, decodeBody, hasNoBody } from './body.js';
import { Connections, connectionLimit, descriptorLimit } from './connections.js';
import { OriginGuard } from './origin-guard.js';
import { HttpProblem, problemOf, sendProblem } from './problem.js';
import { isRateLimited, type BodyDoc, type Exchange, type Route } from './route.js';

/** One answered request, for metrics. `route` is the route template, or 'none' if no route matched. */
export interface AnsweredRequest {
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly durationMs: number;
  /** The thrown error, if it caused a status of 500 or above. */
  readonly error?: unknown;
}

export interface EndpointOptions {
  readonly config: Pick<
    Config,
    | 'httpHost'
    | 'httpHosts'
    | 'corsOrigins'
    | 'apiKeys'
    | 'httpMaxActive'
    | 'httpRatePerMinute'
    | 'httpDeadlineMs'
  >;
  readonly clock: Clock;
  readonly logger: Logger;
  /** While draining: how long open connections may still send requests, which are answered with `Connection: close`; 1,000 ms by default. */
  readonly drainGraceMs?: number;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Such as 'http://127.0.0.1:8080'. */
  readonly origin: string;
}

/** Limit of request line and headers together; 50 URLs of usual length fit. */
const maxHeaderBytes = 65_536;
const usualDrainGraceMs = 1_000;
/** After that: how long to wait for an event loop turn without a new connection. */
const quietLimitMs = 1_000;
/** Time limit of the whole drain for requests in progress. */
const drainLimitMs = 8_000;

const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    imgSrc: ["'self'", 'data:'],
    objectSrc: ["'none'"],
  },
};

/**
 * The headers helmet sets. They are the same for every answer, so they are computed once: its middleware costs as much
 * as the routing.
 */
const securityHeaders = headersOf(helmet({ contentSecurityPolicy, strictTransportSecurity: false }));

export class HttpEndpoint {
  readonly #app = express();
  readonly #server: Server;
  readonly #options: EndpointOptions;
  readonly #keys: readonly ApiKey[];
  readonly #guard: OriginGuard;
  readonly #rate: RateLimit;
  /** Separate limits, so that writes and queries do not block each other. */
  readonly #writing: Concurrency;
  readonly #asking: Concurrency;
  readonly #bodies = new PendingBodies();
  readonly #connections = new Connections(connectionLimit(descriptorLimit()));
  readonly #routes: Route[] = [];
  /** GET routes without a pattern, by path. */
  readonly #direct = new Map<string, Route>();
  /** Routes that pages of other origins may use, by path. */
  readonly #crossOrigin = new Map<string, Route>();
  readonly #observers: ((answered: AnsweredRequest) => void)[] = [];
  readonly #idPrefix = randomBytes(6).toString('hex');
  #requests = 0;
  #draining = false;
  /** Requests held back while the listening socket is being closed; undefined at other times. */
  #held: (() => void)[] | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#keys = parseApiKeys(options.config.apiKeys);
    checkExposure(options.config.httpHost, this.#keys);
    this.#guard = new OriginGuard(options.config, this.#keys.length > 0);
    this.#rate = new RateLimit(options.config.httpRatePerMinute, options.clock);
    this.#writing = new Concurrency(options.config.httpMaxActive);
    this.#asking = new Concurrency(options.config.httpMaxActive);
    this.#app.disable('x-powered-by');
    this.#app.disable('etag');
    this.#app.set('query parser', false);
    this.#app.enable('case sensitive routing');
    this.#app.enable('strict routing');
    const { ExpressRequest, ExpressResponse } = classesOf(this.#app);
    this.#server = createServer(
      {
        IncomingMessage: ExpressRequest,
        ServerResponse: ExpressResponse,
        maxHeaderSize: maxHeaderBytes,
        requestTimeout: 60_000,
        headersTimeout: 15_000,
        connectionsCheckingInterval: 5_000,
        keepAliveTimeout: 65_000,
        requireHostHeader: false, // the guard reports it as problem+json
      },
      (request, response) => this.#begin(request, response),
    );
    this.#server.on('clientError', refuseUnparsable);
    this.#server.on('connection', (socket) => this.#connections.add(socket));
  }

  /** All routes mounted so far, for the OpenAPI document. */
  get routes(): readonly Route[] {
    return this.#routes;
  }

  /** Number of requests being handled. */
  get active(): number {
    return this.#writing.active + this.#asking.active;
  }

  /** True once `close` has been called: the endpoint is not ready, and every answer closes its connection. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Mounts a table of routes. Other methods on their paths answer 405 with `Allow`. */
  mount(routes: readonly Route[]): void {
    this.#routes.push(...routes);
    const methodsOf = new Map<string, string[]>();
    for (const route of routes) {
      const path = expressPath(route.path);
      methodsOf.set(path, [
        ...(methodsOf.get(path) ?? []),
        ...(route.method === 'get' ? ['GET', 'HEAD'] : ['POST']),
      ]);
      this.#app[route.method](path, (request, response) => this.#serve(route, request, response));
      if (route.method === 'get' && path === route.path) this.#direct.set(path, route);
      if (route.anyOrigin === true || route.foreignKeys !== undefined) this.#crossOrigin.set(path, route);
    }
    for (const [path, methods] of methodsOf) {
      const allow = methods.join(', ');
      this.#app.all(path, (request) => {
        throw new HttpProblem(
          'method-not-allowed',
          `${request.method} is not allowed here; allowed: ${allow}`,
          {
            extra: { allowed: methods },
            headers: { Allow: allow },
          },
        );
      });
    }
  }

  /** Mounts files or other routers, after the tables and before the 404 handler. */
  use(router: Router | express.Handler): void {
    this.#app.use(router);
  }

  /** Called once for every answered request. */
  onAnswered(observer: (answered: AnsweredRequest) => void): void {
    this.#observers.push(observer);
  }

  /**
   * Starts to listen; nothing can be mounted afterwards. Throws `port.in-use`, `config.invalid` for an unusable
   * address.
   */
  async listen(port: number): Promise<Listening> {
    const host = this.#options.config.httpHost;
    this.#app.use((request) => {
      throw new HttpProblem(
        'not-found',
        `there is nothing at ${request.path.slice(0, 200)}; see /openapi.json`,
      );
    });
    this.#app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) =>
      this.#fail(error, response),
    );
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => reject(listenError(cause, host, port)));
      this.#server.listen(port, host, resolve);
    });
    const address = this.#server.address() as AddressInfo; // it listens on TCP
    const shown = host.includes(':') ? `[${host}]` : host;
    return { host, port: address.port, origin: `http://${shown}:${address.port}` };
  }

  /**
   * Shuts down gracefully within 10 s: open connections are told to close with their next answer, then new ones are no
   * longer accepted, then requests in progress finish. Every request received is answered, unless that takes longer
   * than `drainLimitMs`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    if (!this.#server.listening) return;
    const cut = setTimeout(() => this.#server.closeAllConnections(), drainLimitMs);
    if (await this.#hasConnections()) await delay(this.#options.drainGraceMs ?? usualDrainGraceMs);
    const held: (() => void)[] = [];
    this.#held = held;
    await this.#quietTurn();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#held = undefined;
    for (const goOn of held) goOn();
    await closed;
    clearTimeout(cut);
  }

  #hasConnections(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#server.getConnections((_error, count) => resolve(count > 0));
    });
  }

  /**
   * Waits for an event loop turn in which no client connected. Closing the listening socket resets connections that the
   * kernel has completed and we have not accepted yet, so it is closed right after a turn without any. Requests are
   * held back meanwhile: turns that only accept connections are short, and clients waiting for an answer do not connect
   * again.
   */
  async #quietTurn(): Promise<void> {
    const until = performance.now() + quietLimitMs;
    let connected = 0;
    const count = (): void => void connected++;
    this.#server.on('connection', count);
    await nextTurn();
    do {
      connected = 0;
      await nextTurn();
    } while (connected > 0 && performance.now() < until);
    this.#server.off('connection', count);
  }

  #begin(request: Request, response: Response): void {
    const startedAt = performance.now();
    request.originalUrl = request.url;
    request.res = response; // express relies on it
    response.locals = {};
    const id = this.#requestId(request.headers['x-request-id']);
    response.locals['requestId'] = id;
    this.#connections.begin(request, response, hasNoBody(request));
    response.setHeader('X-Request-Id', id);
    for (const [name, value] of securityHeaders) response.setHeader(name, value);
    if (this.#draining) response.setHeader('Connection', 'close');
    response.once('close', () => this.#finish(request, response, performance.now() - startedAt));
    const crossOrigin = this.#crossOrigin.get(pathOf(request.url));
    try {
      this.#guard.checkHost(request);
      if (crossOrigin?.foreignKeys?.claims(request) !== true) this.#guard.checkOrigin(request);
    } catch (error) {
      return this.#fail(error, response);
    }
    if (this.#guard.allowCrossOrigin(request, response, crossOrigin ?? {})) return;
    if (this.#held === undefined) this.#dispatch(request, response);
    else this.#held.push(() => this.#dispatch(request, response));
  }

  /**
   * A GET of a path without a pattern goes directly to its route: express would find the same one at a cost as high as
   * a short answer. Express handles everything else: patterns, other methods, files, unknown paths.
   */
  #dispatch(request: Request, response: Response): void {
    const route = request.method === 'GET' ? this.#direct.get(pathOf(request.url)) : undefined;
    if (route === undefined) this.#app(request, response);
    else this.#serve(route, request, response).catch((error: unknown) => this.#fail(error, response));
  }

  #requestId(given: string | string[] | undefined): string {
    if (typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given)) return given;
    return `${this.#idPrefix}-${(++this.#requests).toString(36)}`;
  }

  #checkKey({ scope, forDomainKeys }: Route, request: Request): Caller {
    this.#guard.checkOrigin(request);
    if (scope === 'open') return undefined;
    const caller = authorize(request.headers.authorization, this.#keys, scope);
    const domain = domainOfCaller(this.#keys, caller);
    if (domain !== undefined && forDomainKeys !== true) throw outsideDomain(domain);
    return caller;
  }

  async #serve(route: Route, request: Request, response: Response): Promise<void> {
    response.locals['route'] = route.path;
    let checked: { readonly caller: Caller } | undefined;
    const requireKey = (): Caller => {
      checked ??= { caller: this.#checkKey(route, request) };
      response.locals['caller'] = checked.caller;
      return checked.caller;
    };
    const caller = route.foreignKeys?.claims(request) === true ? undefined : requireKey();
    const id = String(response.locals['requestId']);
    const exchange = (body: string): Exchange => {
      const deadlineAt = performance.now() + this.#options.config.httpDeadlineMs;
      const may = (scope: Scope): boolean => allows(this.#keys, requireKey(), scope);
      const domain = domainOfCaller(this.#keys, caller);
      return { request, response, id, caller, may, domain, body, deadlineAt, requireKey };
    };
    if (route.unlimited === true) return route.run(exchange(''));
    if (isRateLimited(route)) this.#rate.count(caller ?? request.socket.remoteAddress ?? '');
    const rules = hasNoBody(request) ? undefined : route.body;
    const bytes = rules === undefined ? undefined : await this.#receive(request, rules);
    const concurrency = route.scope === 'write' ? this.#writing : this.#asking;
    concurrency.enter();
    try {
      const isEmpty = rules === undefined || bytes === undefined;
      await route.run(exchange(isEmpty ? '' : await decodeBody(request, bytes, rules)));
    } finally {
      concurrency.leave();
    }
  }

  /** Reads the whole body; until then the request does not count as being handled. */
  async #receive(request: Request, rules: BodyDoc): Promise<Buffer> {
    checkBodyType(request, rules);
    const bytes = await this.#bodies.read(request, rules.limitBytes);
    this.#connections.complete(request);
    return bytes;
  }

  #fail(error: unknown, response: Response): void {
    const problem = problemOf(error);
    if (problem.status >= 500) response.locals['error'] = problem.cause;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendProblem(response, problem, String(response.locals['requestId']));
  }

  #finish(request: Request, response: Response, durationMs: number): void {
    const route = typeof response.locals['route'] === 'string' ? response.locals['route'] : 'none';
    const status = response.writableFinished ? response.statusCode : 499;
    const { logger } = this.#options;
    const error: unknown = response.locals['error'];
    for (const observer of this.#observers)
      observer({ route, method: request.method, status, durationMs, error });
    const level = levelOf(route, status);
    if (!logger.isLevelEnabled(level)) return;
    logger[level](
      {
        requestId: String(response.locals['requestId']),
        method: request.method,
        route, // never the URL: it holds visitor ids, and pages with their queries
        status,
        durationMs: Math.round(durationMs * 1000) / 1000,
        ...(typeof response.locals['caller'] === 'string' ? { caller: response.locals['caller'] } : {}),
        ...(error === undefined ? {} : { err: error }),
      },
      'request',
    );
  }
}

/**
 * Request and response classes that have express's methods. Express would change the prototype of node's own objects
 * for every request, which makes all later use of them slower.
 */
function classesOf(app: express.Express) {
  class ExpressRequest extends IncomingMessage {}
  class ExpressResponse extends ServerResponse {}
  Object.setPrototypeOf(ExpressRequest.prototype, app.request);
  Object.setPrototypeOf(ExpressResponse.prototype, app.response);
  // Tells the compiler what the two lines above do.
  return { ExpressRequest, ExpressResponse } as unknown as {
    readonly ExpressRequest: typeof IncomingMessage & (new (socket: Socket) => Request);
    readonly ExpressResponse: typeof ServerResponse & (new (request: IncomingMessage) => Response);
  };
}

/** Returns a request target without its query. */
function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Returns the headers that a middleware sets for any request. */
function headersOf(middleware: ReturnType<typeof helmet>): readonly (readonly [string, string])[] {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  middleware(request, response, () => undefined);
  return Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]);
}

/** Routes polled every few seconds by monitoring; logged at level debug. */
const quietRoutes: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/** 503 is temporary and not our fault; level `error` is for problems that need attention. */
function levelOf(route: string, status: number): 'debug' | 'info' | 'warn' | 'error' {
  if (status >= 500 && status !== 503) return 'error';
  if (quietRoutes.has(route)) return 'debug';
  return status === 503 ? 'warn' : 'info';
}

/** Converts '/v1/persons/{visitorId}' to '/v1/persons/:visitorId'. */
function expressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function listenError(cause: unknown, host: string, port: number): SwaError {
  if (systemCode(cause) === 'EADDRINUSE') {
    return new SwaError('port.in-use', `port ${port} on ${host} is already in use`, {
      cause,
      hint: 'stop the process that listens there, or set SWA_HTTP_PORT to another port (0 for any free port)',
    });
  }
  return new SwaError('config.invalid', `cannot listen on ${host}:${port}: ${messageOf(cause)}`, { cause });
}

/**
 * Answers bytes that are not HTTP, or headers above the limit. There is no request object, so the problem is written to
 * the socket.
 */
function refuseUnparsable(error: Error, socket: Socket): void {
  if (!socket.writable || systemCode(error) === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const problem = problemOfSocket(systemCode(error));
  const body = JSON.stringify(problem.body('none'));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function problemOfSocket(code: string | undefined): HttpProblem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpProblem('headers-too-large', `request line and headers exceed ${maxHeaderBytes} bytes`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpProblem('request-timeout', 'the request arrived too slowly');
    default:
      return new HttpProblem('bad-request', 'this is not an HTTP request');
  }
}
