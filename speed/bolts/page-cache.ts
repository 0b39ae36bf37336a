/**
 * Cache from received URLs to their pages, or to the reason why a URL has none. The same page is the same object as long as it is cached, so
 * data about it can be stored on the object.
 */
import type { Rules } from '../../facts/rules.js';
import { domainOf } from '../../facts/url/domain.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { RecentObjects } from '../../lib/memory/recent-objects.js';
import { CellSubject } from '../store/cell-subject.js';
import { UrlResults, type TextResults } from './text-results.js';

export class Page extends CellSubject {
  /** Hash of the normalised URL, in four words. */
  readonly #a: number;
  readonly #b: number;
  readonly #c: number;
  readonly #d: number;

  constructor(
    url: string,
    readonly site: CellSubject,
    /** Results of dimension rules for the page and the tags of the URL as received. */
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

  /** The group, chosen by the hash of the URL. */
  get pageGroup(): number {
    return this.#a & (pageGroups - 1);
  }

  /** Writes the hash of the URL to `words[at]`. */
  putHash(words: Int32Array, at: number): void {
    words[at] = this.#a;
    words[at + 1] = this.#b;
    words[at + 2] = this.#c;
    words[at + 3] = this.#d;
  }
}

/** Number of groups of pages: the maximum number of useful tasks. A power of two. */
export const pageGroups = 4;

/** A page weighs one more for every this many characters of its URL, so that long URLs do not make the cache larger. */
const charactersOfWeight = 256;

/** The recent pages of one partition. */
export class PageCache {
  readonly #rules: Rules;
  readonly #hash: KeyedHash;
  /** By the hash of the URL as received: its page, or why it has none. */
  readonly #recent: RecentObjects<Page | string>;
  /** The same object for the same domain, as long as its pages are cached. */
  readonly #sites = new Map<string, CellSubject>();
  readonly #results: UrlResults;

  /** @param turnWeight the cache holds between this number of entries of usual length and twice as many */
  constructor(rules: Rules, turnWeight: number, hash: KeyedHash) {
    this.#rules = rules;
    this.#hash = hash;
    this.#results = new UrlResults(rules.dimensions, hash);
    this.#recent = new RecentObjects(
      turnWeight,
      () => {
        this.#sites.clear();
        this.#results.forget();
      },
      (page) => 1 + Math.floor((typeof page === 'string' ? page : page.name).length / charactersOfWeight),
    );
  }

  /** Prefetches the slots that `known` will read for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#recent.prefetch(words, from, step);
  }

  /** The page of the URL whose hash is at `words[at]`, or why it has none; undefined if it is not cached. */
  known(words: Int32Array, at: number): Page | string | undefined {
    return this.#recent.get(words, at);
  }

  /** Normalises the URL, and caches the result under its hash. */
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
