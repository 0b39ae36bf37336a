/**
 * What exclusions leave out. One pure rule for all layers: the batch layer asks it about every distinct text, the speed layer
 * about texts it has not met lately.
 *
 *   visitor, importId, userAgent   the pageview has exactly this text
 *   urlPrefix                      the page (the URL by the URL rules) begins with the prefix, which is spelled by the same
 *                                  rules: `HTTPS://Example.com:443/a` is `https://example.com/a`, and leaves out /a, /a/b and /ab.
 *                                  A slash at its end limits it to a folder: `https://example.com/a/` leaves out /a and /a/b.
 *
 * With `from` or `to` only pageviews whose own time lies in [from, to) are left out. What is excluded counts nowhere, so it is
 * no first of a repeat either: the same view out of another import takes its place.
 */
import type { ExclusionKind, ExclusionRule, Pageview } from './fact.js';
import { isId, isWithin, maxTextBytes } from './ids.js';
import { isNobody } from './placeholders.js';
import { refusalTexts, type UrlRules } from './url/normalize.js';

/** Half-open ranges of time, UTC ms; without limit where infinite. */
export type Times = readonly (readonly [from: number, to: number])[];

/** Whether pageviews may have such a text at all: the door and the record codec ask here alike. */
export function isExclusionValue(by: ExclusionKind, value: unknown): value is string {
  if (by === 'visitor') return isId(value) && !isNobody(value);
  if (by === 'importId') return isId(value);
  return typeof value === 'string' && value !== '' && isWithin(value, maxTextBytes) && value.isWellFormed();
}

/** Why a text is not a prefix of pages; undefined when it is one. */
export function prefixProblem(value: string, urls: Pick<UrlRules, 'normalize'>): string | undefined {
  if (/[?#]/.test(value)) return 'must not hold a query or a fragment: it is the beginning of pages';
  const normalized = urls.normalize(value);
  return normalized.ok ? undefined : refusalTexts[normalized.reason];
}

/** What of a pageview decides, by kind; the page instead of its URL. */
export type ExclusionTexts = Pick<Pageview, 'visitor' | 'userAgent' | 'importId' | 'timestamp'> & {
  readonly page: string;
};

export class Exclusions {
  readonly isEmpty: boolean;
  /** Of all kinds but prefixes. */
  readonly #times: Readonly<Record<ExclusionKind, Map<string, (readonly [number, number])[]>>>;
  readonly #folders = new Map<string, (readonly [number, number])[]>();
  /** Of both sorts of prefixes, ascending. */
  readonly #prefixLengths: readonly number[];

  /** @param rules those in force; a prefix that the URL rules refuse leaves nothing out */
  constructor(rules: readonly ExclusionRule[], urls: Pick<UrlRules, 'normalize'>) {
    this.isEmpty = rules.length === 0;
    this.#times = { visitor: new Map(), importId: new Map(), urlPrefix: new Map(), userAgent: new Map() };
    for (const { by, value, from = -Infinity, to = Infinity } of rules) {
      if (by !== 'urlPrefix') {
        addTo(this.#times[by], value, [from, to]);
        continue;
      }
      if (prefixProblem(value, urls) !== undefined) continue;
      const normalized = urls.normalize(value);
      if (!normalized.ok) continue;
      const { url } = normalized;
      const isFolder = value.endsWith('/') && !url.endsWith('/');
      addTo(isFolder ? this.#folders : this.#times.urlPrefix, url, [from, to]);
    }
    const prefixes = [...this.#times.urlPrefix.keys(), ...this.#folders.keys()];
    this.#prefixLengths = [...new Set(prefixes.map(({ length }) => length))].toSorted((a, b) => a - b);
  }

  /** Whether any rule is of this kind. */
  has(by: ExclusionKind): boolean {
    return by === 'urlPrefix' ? this.#prefixLengths.length > 0 : this.#times[by].size > 0;
  }

  /**
   * When pageviews with this text are left out; undefined for never.
   *
   * @param text for `urlPrefix` the page, else the text as it came
   */
  timesOf(by: ExclusionKind, text: string): Times | undefined {
    return by === 'urlPrefix' ? this.#timesOfPage(text) : this.#times[by].get(text);
  }

  /** Whether a pageview is left out. */
  excludes({ visitor, page, userAgent, importId, timestamp }: ExclusionTexts): boolean {
    if (this.isEmpty) return false;
    return (
      isWithinTimes(this.timesOf('visitor', visitor), timestamp) ||
      isWithinTimes(this.timesOf('urlPrefix', page), timestamp) ||
      isWithinTimes(this.timesOf('userAgent', userAgent ?? ''), timestamp) ||
      isWithinTimes(this.timesOf('importId', importId ?? ''), timestamp)
    );
  }

  #timesOfPage(page: string): Times | undefined {
    const found: (readonly [number, number])[] = [];
    for (const length of this.#prefixLengths) {
      if (length > page.length) break;
      const begin = page.slice(0, length);
      found.push(...(this.#times.urlPrefix.get(begin) ?? []));
      const next = page[length];
      if (next === undefined || next === '/' || next === '?') found.push(...(this.#folders.get(begin) ?? []));
    }
    return found.length === 0 ? undefined : found;
  }
}

export function isWithinTimes(times: Times | undefined, timestamp: number): boolean {
  return times !== undefined && times.some(([from, to]) => timestamp >= from && timestamp < to);
}

function addTo(
  map: Map<string, (readonly [number, number])[]>,
  key: string,
  range: readonly [number, number],
): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [range]);
  else known.push(range);
}
