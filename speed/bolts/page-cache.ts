/**
 * URL as received -> its page by the shared rules, or why it has none. What was looked up lately is remembered, so that a
 * page is the same object each time: what is known about it can be found without a search.
 */
import type { Rules } from '../../facts/rules.js';
import { domainOf } from '../../facts/url/domain.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { RecentObjects } from '../../lib/memory/recent-objects.js';
import { CellSubject } from '../store/cell-subject.js';
import { UrlResults, type TextResults } from './text-results.js';

export class Page extends CellSubject {
  /** The hash of the URL. */
  readonly #a: number;
  readonly #b: number;
  readonly #c: number;
  readonly #d: number;

  constructor(
    url: string,
    readonly site: CellSubject,
    /** What dimensions go by of the URL as it came. */
    readonly results: TextResults,
    hash: KeyedHash,
  ) {
    super('page', url, site.name);
    hash.text(url);
    this.#a = hash.words[0] ?? 0;
    this.#b = hash.words[1] ?? 0;
    this.#c = hash.words[2] ?? 0;
    this.#d = hash.words[3] ?? 0;
  }

  /** Dealt by the hash of the URL. */
  get pageGroup(): number {
    return this.#a & (pageGroups - 1);
  }

  /** Puts the hash of the URL at `words[at]`. */
  putHash(words: Int32Array, at: number): void {
    words[at] = this.#a;
    words[at + 1] = this.#b;
    words[at + 2] = this.#c;
    words[at + 3] = this.#d;
  }
}

/** Groups that pages are dealt into: as many as tasks could be of use. A power of two. */
export const pageGroups = 4;

/** The pages of one partition that were looked up lately. */
export class PageCache {
  readonly #rules: Rules;
  readonly #hash: KeyedHash;
  /** By the hash of the URL as it came: its page, or why it has none. */
  readonly #recent: RecentObjects<Page | string>;
  /** One object for a domain, as long as its pages are remembered. */
  readonly #sites = new Map<string, CellSubject>();
  readonly #results: UrlResults;

  /** @param turnEntries remembers at least so many, at most twice as many */
  constructor(rules: Rules, turnEntries: number, hash: KeyedHash) {
    this.#rules = rules;
    this.#hash = hash;
    this.#results = new UrlResults(rules.dimensions, hash);
    this.#recent = new RecentObjects(turnEntries, () => {
      this.#sites.clear();
      this.#results.forget();
    });
  }

  /** Touches what `known` looks at for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#recent.prefetch(words, from, step);
  }

  /** The page of the URL whose hash lies at `words[at]`, or why it has none; undefined when it is not remembered. */
  known(words: Int32Array, at: number): Page | string | undefined {
    return this.#recent.get(words, at);
  }

  /** Works it out, and remembers it under the URL's hash. */
  add(words: Int32Array, at: number, raw: string): Page | string {
    return this.#recent.set(words, at, this.#workOut(raw));
  }

  #workOut(raw: string): Page | string {
    const normalized = this.#rules.url.normalizeNew(raw);
    if (!normalized.ok) return `invalid URL: ${normalized.reason}`;
    const domain = domainOf(normalized.url);
    let site = this.#sites.get(domain);
    if (site === undefined) {
      site = CellSubject.domain(domain);
      this.#sites.set(domain, site);
    }
    return new Page(normalized.url, site, this.#results.of(raw, normalized.url, domain), this.#hash);
  }
}
