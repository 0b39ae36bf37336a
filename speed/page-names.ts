/**
 * URL as received -> its page by the shared rules, or why it has none. What was looked up lately is remembered, so that a
 * page is the same object each time: what is known about it can be found without a search.
 */
import type { UrlRules } from '../lib/url/normalize.js';
import { domainOf } from '../lib/url/domain.js';
import { HashTable } from '../lib/hash/hash-table.js';
import { CellSubject } from './store/cell-subject.js';

export class Page extends CellSubject {
  /** Dealt by the hash of the URL. */
  readonly lane: number;

  constructor(
    url: string,
    readonly site: CellSubject,
  ) {
    super('page', url, site.name);
    this.lane = laneOf(url);
  }
}

/** Lanes that pages are dealt into: as many as tasks could be of use. */
export const lanes = 4;

/** The names of one partition. */
export class PageNames {
  readonly #rules: UrlRules;
  readonly #turnEntries: number;
  /** Raw URL's hash -> index in `#pages`. Two tables take turns. */
  #index = new HashTable();
  #pages: (Page | string)[] = [];
  #oldIndex = new HashTable();
  #oldPages: readonly (Page | string)[] = [];
  /** One object for a domain, as long as its pages are remembered. */
  #sites = new Map<string, CellSubject>();

  /** @param turnEntries remembers at least so many, at most twice as many */
  constructor(rules: UrlRules, turnEntries: number) {
    this.#rules = rules;
    this.#turnEntries = turnEntries;
  }

  /** Brings near what `known` looks at for these hashes. */
  prefetch(lo: Int32Array): void {
    this.#index.prefetch(lo);
  }

  /** The page of the URL with this hash, or why it has none; undefined when it is not remembered. */
  known(hi: number, lo: number): Page | string | undefined {
    const at = this.#index.get(hi, lo);
    if (at >= 0) return this.#pages[at];
    const oldAt = this.#oldIndex.get(hi, lo);
    const old = oldAt < 0 ? undefined : this.#oldPages[oldAt];
    return old === undefined ? undefined : this.#remember(hi, lo, old);
  }

  /** Works it out, and remembers it under the URL's hash. */
  add(hi: number, lo: number, raw: string): Page | string {
    return this.#remember(hi, lo, this.#workOut(raw));
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
    return new Page(normalized.url, site);
  }

  #remember(hi: number, lo: number, page: Page | string): Page | string {
    if (this.#pages.length >= this.#turnEntries) this.#turn();
    this.#index.set(hi, lo, this.#pages.length);
    this.#pages.push(page);
    return page;
  }

  #turn(): void {
    this.#oldIndex = this.#index;
    this.#oldPages = this.#pages;
    this.#index = new HashTable();
    this.#pages = [];
    this.#sites = new Map();
  }
}

function laneOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x2c1b3c6d);
  return (hash >>> 16) % lanes;
}
