/**
 * Which pageviews exclusions leave out. All layers use this one pure rule: the batch layer for each distinct text, the speed layer for texts it
 * has not seen recently.
 *
 *   visitor, importId, userAgent   the pageview has exactly this text
 *   urlPrefix                      the page (the URL by the URL rules) begins with the prefix, which is normalised by the same
 *                                  rules: `HTTPS://Example.com:443/a` is `https://example.com/a`, and leaves out /a, /a/b and /ab.
 *                                  A slash at its end limits it to a folder: `https://example.com/a/` leaves out /a and /a/b.
 *   erased                         the visitor's id has this hash (erasures.ts), at any time. Edges that contain the id
 *                                  join nothing, and a `visitor` exclusion of the same id has no further effect: so results
 *                                  do not change when the texts of erased ids are overwritten
 *
 * Pageviews before a view's `keptFrom` are left out as well.
 *
 * With `from` or `to`, only pageviews with a timestamp in [from, to) are left out. Excluded pageviews count nowhere, and so are not the original
 * of a repeat either: the same pageview of another import counts in their place.
 */
import type { TextSpans } from '../lib/memory/keyed-hash.js';
import { ErasedIds, isErasedValue } from './erasures.js';
import type { EquivEdge, ExclusionKind, ExclusionRule, Pageview } from './fact.js';
import { isId, isWithin, maxTextBytes } from './ids.js';
import { isPlaceholderId } from './placeholders.js';
import type { Rules } from './rules.js';
import { refusalTexts, type UrlRules } from './url/normalize.js';

/** Kinds that compare plain texts of the pageview. An erased id is compared as a text of kind `visitor`. */
export type ComparedText = Exclude<ExclusionKind, 'erased'>;
export const comparedTexts = [
  'visitor',
  'importId',
  'urlPrefix',
  'userAgent',
] as const satisfies readonly ComparedText[];

/** Half-open ranges of time, UTC ms; infinite where there is no limit. */
export type Times = readonly (readonly [from: number, to: number])[];

/** Whether a value is valid for its kind. Used by the door and by the record codec. */
export function isExclusionValue(by: ExclusionKind, value: unknown): value is string {
  if (by === 'visitor') return isId(value) && !isPlaceholderId(value);
  if (by === 'importId') return isId(value);
  if (by === 'erased') return isErasedValue(value);
  return typeof value === 'string' && value !== '' && isWithin(value, maxTextBytes) && value.isWellFormed();
}

/** Why a text is not a valid page prefix; undefined if it is. */
export function prefixProblem(value: string, urls: Pick<UrlRules, 'normalize'>): string | undefined {
  if (/[?#]/.test(value)) return 'must not hold a query or a fragment: it is the beginning of pages';
  const normalized = urls.normalize(value);
  return normalized.ok ? undefined : refusalTexts[normalized.reason];
}

/** Fields of a pageview that decide; the page instead of the URL. */
export type ExclusionTexts = Pick<Pageview, 'visitor' | 'userAgent' | 'importId' | 'timestamp'> & {
  readonly page: string;
};

/** The rules that decide. */
export type RulesOfExclusions = {
  readonly url: Pick<UrlRules, 'normalize'>;
} & Pick<Rules, 'erasures'>;

export class Exclusions {
  readonly isEmpty: boolean;
  /** Pageviews with an earlier timestamp are left out, UTC ms. */
  readonly keptFrom: number;
  readonly erased: ErasedIds;
  /** Ranges by text, for all kinds; the folders among the prefixes are in `#folders`. */
  readonly #times: Readonly<Record<ComparedText, Map<string, (readonly [number, number])[]>>>;
  readonly #folders = new Map<string, (readonly [number, number])[]>();
  /** Lengths of all prefixes and folders, ascending. */
  readonly #prefixLengths: readonly number[];

  /**
   * @param rules the exclusions in force; a prefix that the URL rules refuse has no effect
   * @param keptFrom `keptFrom` of the view (ViewMeta)
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

  /** Whether any rule compares texts of this kind. */
  has(by: ComparedText): boolean {
    if (by === 'urlPrefix') return this.#prefixLengths.length > 0;
    return this.#times[by].size > 0 || (by === 'visitor' && !this.erased.isEmpty);
  }

  /**
   * Times at which pageviews with this text are left out; undefined for never.
   *
   * @param text the page for `urlPrefix`, otherwise the field as received
   */
  timesOf(by: ComparedText, text: string): Times | undefined {
    if (by === 'urlPrefix') return this.#timesOfPage(text);
    return by === 'visitor' && this.erased.has(text) ? always : this.#times[by].get(text);
  }

  /** Texts that pageviews are left out by, as indexes into `texts` with their times, ascending by index. */
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
        // Compare lengths first: most texts are ruled out without becoming strings.
        if (!lengths.has((ends[i] ?? 0) - (starts[i] ?? 0))) continue;
        const times = known.get(textAt(texts, i));
        if (times !== undefined) found.set(i, times);
      }
    if (by === 'visitor') for (const i of this.erased.among(texts)) found.set(i, always);
    yield* [...found].toSorted(([a], [b]) => a - b);
  }

  /** Whether an edge joins nothing because one of its ids is erased. */
  excludesEdge({ a, b }: Pick<EquivEdge, 'a' | 'b'>): boolean {
    return !this.erased.isEmpty && (this.erased.has(a) || this.erased.has(b));
  }

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

/** The rules without `visitor` exclusions of erased ids, which have no effect. */
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
