/**
 * The plain oracle of the whole-system tests: arrays, Maps and Sets, its own reading of the log file, persons by breadth-first
 * search. It shares the URL rules with the layers, and nothing else.
 */
import { isbot } from 'isbot';
import { UrlRules } from '../lib/url/normalize.js';

export interface OracleView {
  readonly visitor: string;
  readonly url: string;
  readonly hour: number;
}

const rules = new UrlRules();
const monthNames = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const staticFile =
  /\.(png|jpe?g|gif|ico|svg|webp|avif|bmp|css|m?js|map|json|woff2?|ttf|eot|otf|mp[34]|webm|ogg|avi|mov|swf|zip|t?gz|bz2|xz|tar|rar|7z|jar|exe|dmg|deb|rpm|iso|bin)$/i;

/** The pageviews of a combined log by the default rules: bots out, equal lines as often as they stand there. */
export function oracleViews(log: string, host: string): OracleView[] {
  const views: OracleView[] = [];
  for (const line of log.trimEnd().split('\n')) {
    const quoted = line.split('"');
    const [method, target] = (quoted[1] ?? '').split(' ');
    const status = (quoted[2] ?? '').trim().split(' ')[0] ?? '';
    if (method !== 'GET' || target === undefined || !(status.startsWith('2') || status === '304')) continue;
    const path = target.replace(/[?#].*$/s, '');
    if (path === '/robots.txt' || staticFile.test(path)) continue;
    if (quoted[5] !== '-' && isbot(quoted[5] ?? '')) continue; // '-' is no user agent
    const time = /\[(\d+)\/(\w+)\/(\d+):(\d+):(\d+):(\d+) \+0000\]/.exec(line);
    if (time === null) throw new Error(`the oracle cannot read the time of: ${line}`);
    const month = monthNames.indexOf(time[2] ?? '') / 3;
    const seconds = Date.UTC(Number(time[3]), month, Number(time[1]), Number(time[4])) / 1000;
    views.push({
      visitor: `ip:${line.split(' ')[0] ?? ''}`,
      url: canonical(`https://${host}${target}`),
      hour: seconds / 3600,
    });
  }
  return views;
}

export function canonical(url: string): string {
  const result = rules.normalize(url);
  if (!result.ok) throw new Error(`the oracle's URL is refused: ${url}`);
  return result.url;
}

export type Edge = readonly [string, string];

/** visitor -> least id of its component (ASCII ids), for visitors with edges. */
export function oraclePersons(edges: readonly Edge[]): ReadonlyMap<string, string> {
  const next = new Map<string, string[]>();
  for (const [a, b] of edges) {
    next.set(a, [...(next.get(a) ?? []), b]);
    next.set(b, [...(next.get(b) ?? []), a]);
  }
  const persons = new Map<string, string>();
  for (const start of next.keys()) {
    if (persons.has(start)) continue;
    const component = new Set([start]);
    for (const id of component) for (const other of next.get(id) ?? []) component.add(other);
    const least = [...component].toSorted()[0] ?? start;
    for (const id of component) persons.set(id, least);
  }
  return persons;
}

/** Answers from scratch each time. */
export class Oracle {
  readonly views: OracleView[];
  persons: ReadonlyMap<string, string> = new Map();

  constructor(views: OracleView[]) {
    this.views = views;
  }

  uniques(url: string, fromHour: number, toHour: number): number {
    return new Set(
      this.#of(url, fromHour, toHour).map((view) => this.persons.get(view.visitor) ?? view.visitor),
    ).size;
  }

  pageviews(url: string, fromHour: number, toHour: number): number {
    return this.#of(url, fromHour, toHour).length;
  }

  /** Every (url, hour) with views. */
  cells(): { url: string; hour: number }[] {
    const keys = new Set(this.views.map((view) => `${view.hour} ${view.url}`));
    return [...keys].map((key) => {
      const space = key.indexOf(' ');
      return { hour: Number(key.slice(0, space)), url: key.slice(space + 1) };
    });
  }

  #of(url: string, fromHour: number, toHour: number): OracleView[] {
    return this.#byUrl(url).filter((view) => view.hour >= fromHour && view.hour < toHour);
  }

  #index: Map<string, OracleView[]> | undefined;
  #indexed = 0;

  #byUrl(url: string): readonly OracleView[] {
    if (this.#index === undefined || this.#indexed !== this.views.length) {
      this.#index = grouped(this.views);
      this.#indexed = this.views.length;
    }
    return this.#index.get(url) ?? [];
  }
}

function grouped(views: readonly OracleView[]): Map<string, OracleView[]> {
  const index = new Map<string, OracleView[]>();
  for (const view of views) {
    const same = index.get(view.url);
    if (same === undefined) index.set(view.url, [view]);
    else same.push(view);
  }
  return index;
}
