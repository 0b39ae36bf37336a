/**
 * Generates the API's bodies by formula, behind the real endpoint (with the real headers) and the real page. Unlike the whole system it can be
 * empty, require a key, fail in a given way or stop answering at any moment.
 */
import { createHash } from 'node:crypto';
import type { Handler } from 'express';
import { pino } from 'pino';
import { configWith } from '../../lib/config/config.js';
import { HttpEndpoint } from '../../lib/http/endpoint.js';
import { HttpProblem } from '../../lib/http/problem.js';
import { authorize, parseApiKeys } from '../../lib/http/auth.js';
import { dashboardHandler } from '../../query/http/dashboard-files.js';

const hourMs = 3_600_000;
const stepMs = { hour: hourMs, day: 24 * hourMs, week: 168 * hourMs, month: 720 * hourMs } as const;

export interface FakeBody {
  readonly data: {
    readonly visitors?: number;
    readonly pageviews?: number;
    readonly series?: readonly { readonly visitors?: number; readonly pageviews?: number }[];
  };
}

/** Behaviour that tests can change. */
export interface Behaviour {
  domains: readonly string[];
  /** Pageviews and visitors added to the generated ones. */
  extra: number;
  /** Number of lost facts in every answer. */
  skippedOffsets: number;
  /** While set, every request throws it. */
  problem: HttpProblem | undefined;
  /** While set, requests for people now throw it. */
  nowProblem: HttpProblem | undefined;
  /** While set, answers about a range wait for it. */
  held: Promise<void> | undefined;
  /** While true, connections are cut without an answer. */
  silent: boolean;
  /** Whether pages of cookieless sites were counted. */
  isCookieless: boolean;
  /** Time from which pageviews are kept, UTC ms; undefined if they are kept forever. */
  keptFrom: number | undefined;
  emptyReason: string | undefined;
  /** Range of all views of every domain; undefined if there are always some. */
  available: { readonly from: number; readonly to: number } | undefined;
  /** Time before which no period may begin that is compared with, UTC ms. */
  oldest: number | undefined;
  bucketMinutes: 60 | 30 | 15;
  dimensions: readonly { readonly name: string; readonly label: string; readonly title: string }[];
  /** While set, the reason why a breakdown has no values. */
  valuesMissing: string | undefined;
  /** The only valid key; undefined if no key is required. */
  key: string | undefined;
  /** The only domain that the key may ask about; undefined for all. */
  keyDomain: string | undefined;
  /** Paths of pages by their rank, or whole URLs; default 'page/<rank>'. */
  paths: Readonly<Record<number, string>>;
}

const ordinary: Behaviour = {
  domains: ['docs.example', 'news.example', 'shop.example'],
  extra: 0,
  skippedOffsets: 0,
  problem: undefined,
  nowProblem: undefined,
  held: undefined,
  silent: false,
  isCookieless: false,
  keptFrom: undefined,
  emptyReason: undefined,
  available: undefined,
  oldest: undefined,
  bucketMinutes: 60,
  dimensions: [
    { name: 'colour', label: 'Colours', title: 'Colour of the visit' },
    { name: 'taste', label: 'Tastes', title: 'Taste of the visit' },
  ],
  valuesMissing: undefined,
  key: undefined,
  keyDomain: undefined,
  paths: { 3: 'page/3/a-rather-long-path-that-has-to-wrap-somewhere-on-a-phone' },
};

export class FakeApi {
  readonly does: Behaviour = { ...ordinary };
  /** All requests so far, as '304 /v1/uniques?...'. */
  asked: string[] = [];
  origin = '';
  #endpoint: HttpEndpoint | undefined;
  /** Generated numbers do not change after this time. */
  readonly #madeAt = Date.now();
  readonly #batchAt = this.#madeAt - 70 * 60_000;

  async start(): Promise<void> {
    const logger = pino({ level: 'silent' });
    const endpoint = new HttpEndpoint({
      config: configWith({}),
      clock: Date.now,
      logger,
      drainGraceMs: 0,
    });
    endpoint.use(await dashboardHandler());
    endpoint.use(this.#answer);
    ({ origin: this.origin } = await endpoint.listen(0));
    this.#endpoint = endpoint;
  }

  /** The body of the last answer for a path, requested again. */
  async again(path: string): Promise<FakeBody> {
    const target = this.asked.findLast((line) => line.includes(`${path}?`))?.slice(4);
    const key = this.does.key === undefined ? {} : { headers: { Authorization: `Bearer ${this.does.key}` } };
    const response = await fetch(`${this.origin}${target ?? path}`, key);
    return (await response.json()) as FakeBody; // our own body
  }

  /** Holds back answers about a range until the returned function is called. */
  hold(): () => void {
    let release: (() => void) | undefined;
    this.does.held = new Promise((resolve) => (release = resolve));
    return () => release?.();
  }

  /** Resets everything for the next test. */
  reset(): void {
    Object.assign(this.does, ordinary);
    this.asked = [];
  }

  async stop(): Promise<void> {
    await this.#endpoint?.close();
  }

  readonly #answer: Handler = async (request, response, next) => {
    if (!request.path.startsWith('/v1/')) return next();
    if (this.does.silent) {
      request.socket.destroy();
      return;
    }
    if (this.does.key !== undefined) {
      const sha256 = createHash('sha256').update(this.does.key).digest('hex');
      authorize(request.headers.authorization, parseApiKeys([`test:read:${sha256}`]), 'read');
    }
    const url = new URL(request.originalUrl, this.origin);
    if (this.does.keyDomain !== undefined && request.path === '/v1/batches')
      throw new HttpProblem('forbidden', 'only about one domain');
    const isState = request.path === '/v1/status' || request.path === '/v1/batches';
    if (url.searchParams.has('from')) await this.does.held;
    if (this.does.problem !== undefined && !isState) throw this.does.problem;
    if (request.path === '/v1/now' && this.does.nowProblem !== undefined) {
      this.asked.push(`${this.does.nowProblem.status} ${request.originalUrl}`);
      throw this.does.nowProblem;
    }
    const body = this.#bodyOf(url);
    if (body === undefined) return next();
    if (!isState && request.path !== '/v1/now') {
      const { extra, emptyReason, valuesMissing, available, domains, isCookieless, keptFrom } = this.does;
      const etag = `W/"${extra}.${String(valuesMissing)}.${String(emptyReason)}.${String(available?.to)}.${domains.length}.${isCookieless}.${String(keptFrom)}"`;
      response.set('ETag', etag);
      if (request.headers['if-none-match'] === etag) {
        this.asked.push(`304 ${request.originalUrl}`);
        response.status(304).end();
        return;
      }
    }
    this.asked.push(`200 ${request.originalUrl}`);
    response.json(body);
  };

  #bodyOf(url: URL): object | undefined {
    const given = (name: string): string => url.searchParams.get(name) ?? '';
    const frame = {
      freshness: this.#freshness(),
      rules: { url: '1', domain: '1', bots: '1', dimensions: 'none' },
    };
    const empty = url.searchParams.has('from') ? this.#emptiness(url) : undefined;
    const domain = given('domain');
    switch (url.pathname) {
      case '/v1/domains': {
        const domains = this.does.domains.filter((name) => name.includes(given('contains')));
        return { data: { domains, more: false }, ...frame };
      }
      case '/v1/uniques': {
        const peopleOf = (size: number): object => {
          const visitors = Math.round(size * 0.41);
          return { visitors, ...this.#bounds(visitors) };
        };
        const series = this.#compared(url, peopleOf);
        const visitors = peopleIn(this.#series(url)) + this.does.extra;
        const compare = this.#before(url, (earlier) => ({ visitors: peopleIn(this.#series(earlier)) }));
        return {
          data: { domain, visitors, compare, ...empty, series },
          accuracy: {
            relativeStandardError: 0.0081,
            maxOvercount: 3,
            maxUndercount: 1,
            rewritten: 2,
            ...(this.does.isCookieless ? { visitorScope: 'day' } : {}),
            ...this.#bounds(visitors),
          },
          range: this.#range(url),
          ...frame,
        };
      }
      case '/v1/pageviews': {
        const series = this.#compared(url, (size) => ({ pageviews: size }));
        const pageviews = viewsIn(this.#series(url)) + this.does.extra;
        const compare = this.#before(url, (earlier) => ({ pageviews: viewsIn(this.#series(earlier)) }));
        return { data: { domain, pageviews, compare, ...empty, series }, range: this.#range(url), ...frame };
      }
      case '/v1/visits': {
        const data = { domain, visits: 31_204, bounces: 12_877, through: iso(this.#batchAt) };
        const figures = { bounceRate: 0.412671, pageviewsPerVisit: 2.314, meanDuration: 272.4 };
        const none = { bounceRate: null, pageviewsPerVisit: null, meanDuration: null };
        const compare = this.#before(url, () => ({
          visits: 29_000,
          bounces: 13_050,
          bounceRate: 0.45,
          pageviewsPerVisit: 2.2,
          meanDuration: 245,
        }));
        return { data: { ...data, compare, ...(empty === undefined ? figures : none) }, ...frame };
      }
      case '/v1/pages': {
        const pages = Array.from({ length: Math.min(Number(given('limit')), 40) }, (_, i) => {
          const visitors = Math.round(9_400 / (i + 1));
          const path = i === 0 ? '' : (this.does.paths[i] ?? `page/${i}`);
          return {
            url: path.includes('://') ? path : `https://www.${domain}/${path}`,
            pageviews: Math.round(21_000 / (i + 1)),
            visitors,
            ...this.#bounds(visitors),
          };
        });
        return { data: { domain, pages: empty === undefined ? pages : [] }, ...frame };
      }
      case '/v1/breakdown':
        return { data: this.#breakdown(url, empty), accuracy: { ranked: 'all' }, ...frame };
      case '/v1/now': {
        const pages = ['', 'about'].map((path, i) => ({
          url: `https://www.${domain}/${path}`,
          visitors: 3 - i,
        }));
        return {
          data: {
            domain,
            from: iso(this.#madeAt - 300_000),
            to: iso(this.#madeAt),
            visitors: 4,
            pages,
            more: false,
          },
          accuracy: { coveredFrom: iso(this.#madeAt - 300_000) },
          ...frame,
        };
      }
      case '/v1/status': {
        const { dimensions, keyDomain } = this.does;
        return {
          freshness: this.#freshness(),
          ...(keyDomain === undefined ? { layers: this.#layers() } : { domain: keyDomain, layers: [] }),
          bucketMinutes: this.does.bucketMinutes,
          dimensions,
        };
      }
      case '/v1/batches':
        return { pending: [], views: this.#views() };
      default:
        return undefined;
    }
  }

  /** Values with distinct names in each dimension, the first with the most visitors. */
  #breakdown(url: URL, empty: object | undefined): object {
    const given = (name: string): string => url.searchParams.get(name) ?? '';
    const by = given('by');
    const frame = { domain: given('domain'), by };
    const { valuesMissing } = this.does;
    if (empty !== undefined)
      return { ...frame, values: [], more: false, others: { atLeast: 0, atMost: 0 }, ...empty };
    if (valuesMissing !== undefined)
      return {
        ...frame,
        values: [],
        more: false,
        others: { atLeast: 0, atMost: 0 },
        emptyReason: valuesMissing,
      };
    const values = Array.from({ length: Number(given('limit')) }, (_, i) => {
      const visitors = Math.round(6_100 / (i + 1));
      return { value: `${by} ${i}`, visitors, pageviews: visitors * 2, ...this.#bounds(visitors) };
    });
    return { ...frame, values, more: true, others: { atLeast: 12_345, atMost: 12_345 } };
  }

  #emptiness(url: URL): { emptyReason: string; available?: { from: string; to: string } } | undefined {
    const { emptyReason, available } = this.does;
    const { from, to } = this.#range(url);
    const isOutside =
      available !== undefined && (Date.parse(to) <= available.from || Date.parse(from) >= available.to);
    const reason = emptyReason ?? (isOutside ? 'no-pageviews-in-range' : undefined);
    if (reason === undefined) return undefined;
    if (available === undefined) return { emptyReason: reason };
    return { emptyReason: reason, available: { from: iso(available.from), to: iso(available.to) } };
  }

  #series(url: URL): { from: string; to: string; label: string; size: number }[] {
    const { from, to } = this.#range(url);
    const interval = url.searchParams.get('interval') ?? 'hour';
    const isEmpty = this.#emptiness(url) !== undefined;
    const step = stepMs[interval as keyof typeof stepMs]; // the page sends no other interval
    const buckets: { from: string; to: string; label: string; size: number }[] = [];
    for (let at = Date.parse(from); at < Date.parse(to); at += step) {
      const wave =
        1.4 + Math.sin(((at / hourMs - 8) / 24) * 2 * Math.PI) + 0.25 * Math.sin(at / hourMs / 3.1);
      const done = Math.min(1, Math.max(0, (this.#madeAt - at) / step));
      const size = isEmpty ? 0 : Math.round(2_600 * wave * (step / hourMs) * done);
      buckets.push({
        from: iso(at),
        to: iso(Math.min(at + step, Date.parse(to))),
        label: labelOf(at, interval),
        size,
      });
    }
    return buckets;
  }

  /** The same question about the period before; undefined if that is not asked about. */
  #earlier(url: URL): URL | undefined {
    if (!url.searchParams.has('compare')) return undefined;
    const { from, to } = this.#range(url);
    const earlier = new URL(url);
    const start = 2 * Date.parse(from) - Date.parse(to);
    if (this.does.oldest !== undefined && start < this.does.oldest)
      throw new HttpProblem('invalid-parameter', 'the period before begins too early', {
        parameter: 'compare',
      });
    earlier.searchParams.set('from', iso(start));
    earlier.searchParams.set('to', from);
    return earlier;
  }

  /** Figures of the period before, as `compare` has them; undefined if that is not asked about. */
  #before(url: URL, figuresOf: (earlier: URL) => object): object | undefined {
    const earlier = this.#earlier(url);
    return earlier && { ...this.#range(earlier), ...figuresOf(earlier), overlap: false };
  }

  /** The series with its figures, and those of the period before where that is asked about. */
  #compared(url: URL, figuresOf: (size: number) => object): object[] {
    const earlier = this.#earlier(url);
    const before = earlier && this.#series(earlier);
    return this.#series(url).map(({ size, ...bucket }, i) => {
      const old = before?.[i];
      const compare = old && { from: old.from, to: old.to, ...figuresOf(old.size), overlap: false };
      return { ...bucket, ...figuresOf(size), compare };
    });
  }

  #range(url: URL): { from: string; to: string; hours: number; bucketMinutes: 60; tz: string } {
    const edge = (name: string): number => Date.parse(url.searchParams.get(name) ?? '');
    const [from, to] = [edge('from'), edge('to')];
    return {
      from: iso(from),
      to: iso(to),
      hours: (to - from) / hourMs,
      bucketMinutes: 60,
      tz: url.searchParams.get('tz') ?? 'UTC',
    };
  }

  #bounds(visitors: number): { lower: number; upper: number; exact: boolean } {
    const spread = Math.ceil(visitors * 0.03);
    return { lower: visitors - spread, upper: visitors + spread, exact: spread === 0 };
  }

  #freshness(): object {
    const cut = { 'equivs/0': 8_123, 'pageviews/0': 210_532, 'pageviews/1': 208_441 };
    return {
      generation: 'v000011-5f0e',
      batch: { cut, createdAt: iso(this.#batchAt) },
      realtime: {
        cut: { 'equivs/0': 8_177, 'pageviews/0': 212_004 + this.does.extra, 'pageviews/1': 209_900 },
        lastReceivedAt: iso(Date.now() - 300),
        deadLetters: 0,
        lagRecords: 12,
        lagMs: 420,
      },
      complete: this.does.skippedOffsets === 0,
      skippedOffsets: this.does.skippedOffsets,
      ...(this.does.keptFrom === undefined ? {} : { keptFrom: iso(this.does.keptFrom) }),
      unreadRecords: 0,
      incompleteReason: this.does.skippedOffsets === 0 ? null : 'lost-facts',
    };
  }

  #layers(): object[] {
    const cut = { 'equivs/0': 8_170, 'pageviews/0': 211_900, 'pageviews/1': 209_810 };
    const layer = (role: string, details: object, change: object = {}): object => ({
      role,
      worker: '0',
      pid: 1,
      host: 'host',
      updatedAt: iso(Date.now() - 500),
      state: 'running',
      lastError: null,
      details,
      ...change,
    });
    return [
      layer(
        'batch',
        { botPageviews: 4_321, repeats: 17, refusedUrls: 0, invalidPageviews: 0 },
        {
          lastError: {
            at: iso(this.#batchAt),
            code: 'batch.failed',
            message: 'step persons ran out of memory (2 GB)',
          },
        },
      ),
      layer('collector', { accepted: 430_081, rejected: 9, rejectedByField: { url: 6, visitor: 3 } }),
      layer('query', {}),
      layer('sink', { cut, lag: 201 }),
      layer('speed', {
        cut,
        lagRecords: 12,
        repeats: 2,
        refused: { 'known bot': 5, unparsable: 3, 'not JSON': 4 },
        deadLetters: 0,
        handOvers: 3,
        nextGeneration: 'v000012-5f0e',
        topology: {
          'pageview spout': { tasks: 1, emitted: 812, acked: 810, failed: 1, timedOut: 1, latencyMs: 3.2 },
          normalize: { tasks: 2, emitted: 4_100, acked: 812, failed: 0, timedOut: 0, latencyMs: 1.1 },
        },
      }),
    ];
  }

  #views(): object[] {
    return [12, 11, 10].map((number) => ({
      id: `v${String(number).padStart(6, '0')}-5f0e`,
      number,
      createdAt: iso(this.#batchAt - (12 - number) * hourMs),
      current: number === 12,
      pageviews: 410_000 - (12 - number) * 31_000,
      persons: 61_300 - (12 - number) * 2_100,
    }));
  }
}

interface Sized {
  readonly size: number;
}

function viewsIn(buckets: readonly Sized[]): number {
  return buckets.reduce((sum, { size }) => sum + size, 0);
}

/** Many come in several buckets. */
function peopleIn(buckets: readonly Sized[]): number {
  return Math.round(buckets.reduce((sum, { size }) => sum + Math.round(size * 0.41), 0) * 0.63);
}

function labelOf(at: number, interval: string): string {
  const text = iso(at);
  if (interval === 'hour') return `${text.slice(0, 16)}Z`;
  if (interval === 'month') return text.slice(0, 7);
  return interval === 'week'
    ? `${text.slice(0, 4)}-W${String(Math.ceil((at / hourMs / 168) % 52)).padStart(2, '0')}`
    : text.slice(0, 10);
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
