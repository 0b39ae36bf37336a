/**
 * URL as received -> its page by the shared rules, or why it has none. What was looked up lately is remembered, so that a
 * page is the same object each time: what is known about it can be found without a search.
 */
import type { UrlRules } from '../../facts/url/normalize.js';
import { domainOf } from '../../facts/url/domain.js';
import { KeyTable } from '../../lib/memory/key-table.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { CellSubject } from '../store/cell-subject.js';

export class Page extends CellSubject {
  /** The hash of the URL. */
  readonly #a: number;
  readonly #b: number;
  readonly #c: number;
  readonly #d: number;

  constructor(
    url: string,
    readonly site: CellSubject,
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
  get lane(): number {
    return this.#a & (lanes - 1);
  }

  /** Puts the hash of the URL at `words[at]`. */
  putHash(words: Int32Array, at: number): void {
    words[at] = this.#a;
    words[at + 1] = this.#b;
    words[at + 2] = this.#c;
    words[at + 3] = this.#d;
  }
}

/** Lanes that pages are dealt into: as many as tasks could be of use. A power of two. */
export const lanes = 4;

/** The names of one partition. */
export class PageNames {
  readonly #rules: UrlRules;
  readonly #turnEntries: number;
  readonly #hash: KeyedHash;
  /** Raw URL's hash -> index in `#pages`. Two tables take turns. */
  #index = new KeyTable();
  #pages: (Page | string)[] = [];
  #oldIndex = new KeyTable();
  #oldPages: readonly (Page | string)[] = [];
  /** One object for a domain, as long as its pages are remembered. */
  #sites = new Map<string, CellSubject>();

  /** @param turnEntries remembers at least so many, at most twice as many */
  constructor(rules: UrlRules, turnEntries: number, hash: KeyedHash) {
    this.#rules = rules;
    this.#turnEntries = turnEntries;
    this.#hash = hash;
  }

  /** Touches what `known` looks at for the hashes at `from`, `from + step`, ... */
  prefetch(words: Int32Array, from: number, step: number): void {
    this.#index.prefetch(words, from, step);
  }

  /** The page of the URL whose hash lies at `words[at]`, or why it has none; undefined when it is not remembered. */
  known(words: Int32Array, at: number): Page | string | undefined {
    const index = this.#index.get(words, at);
    if (index >= 0) return this.#pages[index];
    const oldIndex = this.#oldIndex.get(words, at);
    const old = oldIndex < 0 ? undefined : this.#oldPages[oldIndex];
    return old === undefined ? undefined : this.#remember(words, at, old);
  }

  /** Works it out, and remembers it under the URL's hash. */
  add(words: Int32Array, at: number, raw: string): Page | string {
    return this.#remember(words, at, this.#workOut(raw));
  }

  #workOut(raw: string): Page | string {
    const normalized = this.#rules.normalizeNew(raw);
    if (!normalized.ok) return `invalid URL: ${normalized.reason}`;
    const domain = domainOf(normalized.url);
    let site = this.#sites.get(domain);
    if (site === undefined) {
      site = CellSubject.domain(domain);
      this.#sites.set(domain, site);
    }
    return new Page(normalized.url, site, this.#hash);
  }

  #remember(words: Int32Array, at: number, page: Page | string): Page | string {
    if (this.#pages.length >= this.#turnEntries) this.#turn();
    this.#index.set(words, at, this.#pages.length);
    this.#pages.push(page);
    return page;
  }

  #turn(): void {
    this.#oldIndex = this.#index;
    this.#oldPages = this.#pages;
    this.#index = new KeyTable();
    this.#pages = [];
    this.#sites = new Map();
  }
}
