/**
 * What exclusions leave out. One pure rule for all layers: the batch layer asks it about every distinct text, the speed layer
 * about texts it has not met lately.
 *
 *   visitor, importId, userAgent   the pageview has exactly this text
 *   urlPrefix                      the page (the URL by the URL rules) begins with the prefix, which is spelled by the same
 *                                  rules: `HTTPS://Example.com:443/a` is `https://example.com/a`, and leaves out /a, /a/b and /ab.
 *                                  A slash at its end limits it to a folder: `https://example.com/a/` leaves out /a and /a/b.
 *   erased                         the visitor's id has this hash (erasures.ts), whatever the time. Edges that name the id
 *                                  join no one, either, and an exclusion of it by its text says nothing more: so nothing
 *                                  changes when the texts of what is erased are overwritten
 *
 * Besides, whatever is older than the time from which a view's pageviews are kept.
 *
 * With `from` or `to` only pageviews whose own time lies in [from, to) are left out. What is excluded counts nowhere, so it is
 * no first of a repeat either: the same view out of another import takes its place.
 */
import type { TextSpans } from '../lib/memory/keyed-hash.js';
import { ErasedIds, isErasedValue } from './erasures.js';
import type { EquivEdge, ExclusionKind, ExclusionRule, Pageview } from './fact.js';
import { isId, isWithin, maxTextBytes } from './ids.js';
import { isNobody } from './placeholders.js';
import type { Rules } from './rules.js';
import { refusalTexts, type UrlRules } from './url/normalize.js';

/** The kinds that compare a text as it is: an erased id is one by `visitor`. */
export type ComparedText = Exclude<ExclusionKind, 'erased'>;
export const comparedTexts = [
  'visitor',
  'importId',
  'urlPrefix',
  'userAgent',
] as const satisfies readonly ComparedText[];

/** Half-open ranges of time, UTC ms; without limit where infinite. */
export type Times = readonly (readonly [from: number, to: number])[];

/** Whether pageviews may have such a text at all: the door and the record codec ask here alike. */
export function isExclusionValue(by: ExclusionKind, value: unknown): value is string {
  if (by === 'visitor') return isId(value) && !isNobody(value);
  if (by === 'importId') return isId(value);
  if (by === 'erased') return isErasedValue(value);
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

/** What of the rules decides. */
export type RulesOfExclusions = {
  readonly url: Pick<UrlRules, 'normalize'>;
} & Pick<Rules, 'erasures'>;

export class Exclusions {
  readonly isEmpty: boolean;
  /** Pageviews of an earlier time are left out, UTC ms. */
  readonly keptFrom: number;
  readonly erased: ErasedIds;
  /** Of all kinds but prefixes. */
  readonly #times: Readonly<Record<ComparedText, Map<string, (readonly [number, number])[]>>>;
  readonly #folders = new Map<string, (readonly [number, number])[]>();
  /** Of both sorts of prefixes, ascending. */
  readonly #prefixLengths: readonly number[];

  /**
   * @param rules those in force; a prefix that the URL rules refuse leaves nothing out
   * @param keptFrom of the view that is made, or was (ViewMeta)
   */
  constructor(
    rules: readonly ExclusionRule[],
    { url: urls, erasures }: RulesOfExclusions,
    keptFrom = -Infinity,
  ) {
    this.keptFrom = keptFrom;
    this.isEmpty = rules.length === 0 && keptFrom === -Infinity;
    this.erased = new ErasedIds(
      rules.filter(({ by }) => by === 'erased').map(({ value }) => value),
      erasures,
    );
    this.#times = { visitor: new Map(), importId: new Map(), urlPrefix: new Map(), userAgent: new Map() };
    for (const { by, value, from = -Infinity, to = Infinity } of rules) {
      if (by === 'erased') continue;
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

  /** Whether pageviews may be left out by this text of theirs. */
  has(by: ComparedText): boolean {
    if (by === 'urlPrefix') return this.#prefixLengths.length > 0;
    return this.#times[by].size > 0 || (by === 'visitor' && !this.erased.isEmpty);
  }

  /**
   * When pageviews with this text are left out; undefined for never.
   *
   * @param text for `urlPrefix` the page, else the text as it came
   */
  timesOf(by: ComparedText, text: string): Times | undefined {
    if (by === 'urlPrefix') return this.#timesOfPage(text);
    return by === 'visitor' && this.erased.has(text) ? always : this.#times[by].get(text);
  }

  /** Which of these texts pageviews are left out by, other than pages, ascending by where they are among them. */
  *timesAmong(
    by: Exclude<ComparedText, 'urlPrefix'>,
    texts: TextSpans,
  ): Generator<readonly [index: number, times: Times]> {
    const found = new Map<number, Times>();
    const known = this.#times[by];
    const lengths = new Set(Array.from(known.keys(), (text) => Buffer.byteLength(text)));
    const { starts, ends, count } = texts;
    if (known.size > 0)
      for (let i = 0; i < count; i++) {
        // Most texts are told by their length alone, and never become strings.
        if (!lengths.has((ends[i] ?? 0) - (starts[i] ?? 0))) continue;
        const times = known.get(textAt(texts, i));
        if (times !== undefined) found.set(i, times);
      }
    if (by === 'visitor') for (const i of this.erased.among(texts)) found.set(i, always);
    yield* [...found].toSorted(([a], [b]) => a - b);
  }

  /** Whether an edge joins no one, since an end of it is erased. */
  excludesEdge({ a, b }: Pick<EquivEdge, 'a' | 'b'>): boolean {
    return !this.erased.isEmpty && (this.erased.has(a) || this.erased.has(b));
  }

  /** Whether a pageview is left out. */
  excludes({ visitor, page, userAgent, importId, timestamp }: ExclusionTexts): boolean {
    if (this.isEmpty) return false;
    if (timestamp < this.keptFrom) return true;
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

/** Those of the rules that say something: none that names an erased id. */
export function withoutErasedValues(
  rules: readonly ExclusionRule[],
  erasures: Rules['erasures'],
): readonly ExclusionRule[] {
  const values = rules.filter(({ by }) => by === 'erased').map(({ value }) => value);
  const erased = new ErasedIds(values, erasures);
  if (erased.isEmpty) return rules;
  return rules.filter(({ by, value }) => by !== 'visitor' || !erased.has(value));
}

export function isWithinTimes(times: Times | undefined, timestamp: number): boolean {
  return times !== undefined && times.some(([from, to]) => timestamp >= from && timestamp < to);
}

const always: Times = [[-Infinity, Infinity]];

function textAt({ bytes, starts, ends }: TextSpans, i: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', starts[i], ends[i]);
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
