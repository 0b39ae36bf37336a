/**
 * URL as received -> its page and domain by the shared rules, or why it has none. What was looked up lately is
 * remembered, so that a page is the same object each time: what is known about it can be found without a search.
 */
import type { UrlRules } from '../lib/url/normalize.js';
import { HashTable } from '../lib/hash/hash-table.js';
import { CellSubject } from './store/cell-subject.js';

export interface PageName {
  readonly page: CellSubject;
  readonly domain: CellSubject;
  readonly pageLane: number;
  readonly domainLane: number;
}

/** Names are dealt into so many lanes by their hash: as many as tasks could be of use. */
export const lanes = 4;

/** The names of one partition. */
export class PageNames {
  readonly #rules: UrlRules;
  readonly #turnEntries: number;
  /** Raw URL's hash -> index in `#names`. Two tables take turns. */
  #index = new HashTable();
  #names: (PageName | string)[] = [];
  #oldIndex = new HashTable();
  #oldNames: readonly (PageName | string)[] = [];
  /** One object for a domain, as long as its pages are remembered. */
  #domains = new Map<string, CellSubject>();

  /** @param turnEntries remembers at least so many, at most twice as many */
  constructor(rules: UrlRules, turnEntries: number) {
    this.#rules = rules;
    this.#turnEntries = turnEntries;
  }

  /** Page and domain of the URL with this hash, or why it has none; undefined when it is not remembered. */
  known(hi: number, lo: number): PageName | string | undefined {
    const at = this.#index.get(hi, lo);
    if (at >= 0) return this.#names[at];
    const oldAt = this.#oldIndex.get(hi, lo);
    const old = oldAt < 0 ? undefined : this.#oldNames[oldAt];
    return old === undefined ? undefined : this.#remember(hi, lo, old);
  }

  /** Works it out, and remembers it under the URL's hash. */
  add(hi: number, lo: number, raw: string): PageName | string {
    return this.#remember(hi, lo, this.#workOut(raw));
  }

  #workOut(raw: string): PageName | string {
    const normalized = this.#rules.normalize(raw);
    if (!normalized.ok) return `invalid URL: ${normalized.reason}`;
    const page = CellSubject.page(normalized.url);
    let domain = this.#domains.get(page.domain);
    if (domain === undefined) {
      domain = CellSubject.domain(page.domain);
      this.#domains.set(page.domain, domain);
    }
    return { page, domain, pageLane: laneOf(page.name), domainLane: laneOf(domain.name) };
  }

  #remember(hi: number, lo: number, name: PageName | string): PageName | string {
    if (this.#names.length >= this.#turnEntries) this.#turn();
    this.#index.set(hi, lo, this.#names.length);
    this.#names.push(name);
    return name;
  }

  #turn(): void {
    this.#oldIndex = this.#index;
    this.#oldNames = this.#names;
    this.#index = new HashTable();
    this.#names = [];
    this.#domains = new Map();
  }
}

function laneOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x2c1b3c6d);
  return (hash >>> 16) % lanes;
}
