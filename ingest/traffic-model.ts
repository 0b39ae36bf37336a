/**
 * A model of a site's traffic: people with several devices who sometimes log in (which makes equiv edges), sessions of a few
 * pageviews, popular and rare pages (Zipf), busy days and quiet nights, a few bots. Deterministic: the same seed gives the same
 * facts for the same steps of simulated time.
 */

export interface TrafficOptions {
  readonly seed: number;
  /** Number of people; each has one to three cookies, and every second one has an account. */
  readonly people: number;
  /** Pages of each site. */
  readonly pages: number;
  readonly domains: readonly string[];
  /** Mean pageviews per second of simulated time, over a whole day. */
  readonly viewsPerSecond: number;
}

export const trafficDefaults: TrafficOptions = {
  seed: 1,
  people: 5_000,
  pages: 200,
  domains: ['shop.example', 'news.example', 'docs.example'],
  viewsPerSecond: 20,
};

/** A fact as the door takes it, with its own time and eventId. */
export type TrafficFact =
  | {
      readonly type: 'pageview';
      readonly visitor: string;
      readonly url: string;
      readonly timestamp: number;
      readonly eventId: string;
      readonly userAgent: string;
    }
  | {
      readonly type: 'equiv';
      readonly a: string;
      readonly b: string;
      readonly timestamp: number;
      readonly eventId: string;
      readonly source: string;
    };

const browser =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36';
const crawler = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const botShare = 0.02;
const loginShare = 0.15;
const meanViewsPerSession = 3;
const hourMs = 3_600_000;

export class TrafficModel {
  readonly #options: TrafficOptions;
  readonly #random: () => number;
  /** Facts of current sessions, by simulated second. */
  readonly #planned = new Map<number, TrafficFact[]>();
  #sessionsOwed = 0;
  #events = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#random = mulberry32(options.seed);
  }

  /** The facts of the simulated second that starts at `secondStartMs`. Call with ascending seconds, each once. */
  step(secondStartMs: number): readonly TrafficFact[] {
    this.#sessionsOwed += (this.#options.viewsPerSecond * dayShape(secondStartMs)) / meanViewsPerSession;
    while (this.#sessionsOwed >= 1) {
      this.#sessionsOwed--;
      this.#planSession(secondStartMs);
    }
    const second = Math.floor(secondStartMs / 1000);
    const facts = this.#planned.get(second) ?? [];
    this.#planned.delete(second);
    return facts;
  }

  #planSession(startMs: number): void {
    const person = 1 + this.#zipf(this.#options.people, 0.6);
    const device = this.#below(1 + (person % 3));
    const isBot = this.#random() < botShare;
    const visitor = isBot ? `cookie:bot-${person % 10}` : `cookie:${person}-${device}`;
    const domain = this.#options.domains[this.#zipf(this.#options.domains.length, 0.8)] ?? 'site.example';
    let at = startMs + this.#below(1000);
    if (!isBot && person % 2 === 0 && this.#random() < loginShare) {
      this.#plan({
        type: 'equiv',
        a: visitor,
        b: `user:${person}`,
        timestamp: at,
        eventId: this.#eventId(),
        source: 'login',
      });
    }
    let views = 1;
    while (views < 40 && this.#random() < 1 - 1 / meanViewsPerSession) views++;
    for (; views > 0; views--) {
      const page = this.#zipf(this.#options.pages, 1);
      this.#plan({
        type: 'pageview',
        visitor,
        url: page === 0 ? `https://www.${domain}/` : `https://www.${domain}/page/${page}`,
        timestamp: at,
        eventId: this.#eventId(),
        userAgent: isBot ? crawler : browser,
      });
      at += 5_000 + this.#below(90_000);
    }
  }

  #plan(fact: TrafficFact): void {
    const second = Math.floor(fact.timestamp / 1000);
    const facts = this.#planned.get(second);
    if (facts === undefined) this.#planned.set(second, [fact]);
    else facts.push(fact);
  }

  #eventId(): string {
    return `gen:${this.#options.seed}:${this.#events++}`;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** An index in [0, size), small ones more often: the inverse of a continuous approximation of Zipf's law with this exponent. */
  #zipf(size: number, exponent: number): number {
    const u = this.#random();
    if (exponent === 1) return Math.min(size - 1, Math.floor((size + 1) ** u) - 1);
    const power = 1 - exponent;
    return Math.min(size - 1, Math.floor((u * ((size + 1) ** power - 1) + 1) ** (1 / power)) - 1);
  }
}

/** Traffic at a time of day relative to the daily mean, whose mean over a day is 1. */
function dayShape(timestampMs: number): number {
  const hourOfDay = (timestampMs / hourMs) % 24;
  return 1 - 0.7 * Math.cos(((hourOfDay - 4) / 24) * 2 * Math.PI);
}

/** mulberry32: a small random number generator with a 32-bit state, uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
