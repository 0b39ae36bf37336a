/**
 * What the rules make of the star's texts: of a URL its page, or that it is refused; of a page its domain; of a user agent
 * whether it is a bot's. A row for each text, so other rules work through the texts again, and not through the facts. All
 * of it lies in files of one generation (`<what>-<generation>`): other rules begin a new one.
 */
import { join } from 'node:path';
import type { Rules } from '../../facts/rules.js';
import { sameRules, type RulesVersions } from '../../facts/rules-versions.js';
import { KeyTable } from '../../lib/memory/key-table.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { domainOf } from '../../facts/url/domain.js';
import { AppendFile, nothing, readTexts, type AppendSeal } from './append-file.js';
import type { Head } from './head.js';

const parts = ['url-pages', 'agent-bots', 'pages', 'page-domains', 'domains'] as const;
export type ResultPart = (typeof parts)[number];

export interface ResultSeals {
  readonly versions: RulesVersions;
  readonly generation: number;
  readonly files: Readonly<Record<ResultPart, AppendSeal>>;
}

export const noResults: ResultSeals['files'] = recordOfParts(() => nothing);

export function resultPath(dir: string, part: ResultPart, generation: number): string {
  return join(dir, `${part}-${generation}`);
}

/** Adds results to those of a head's, or begins with those of all its texts when they are other rules'. */
export class RuleResults {
  readonly #rules: Rules;
  readonly #hash: KeyedHash;
  readonly #generation: number;
  readonly #files: Readonly<Record<ResultPart, AppendFile>>;
  /** Page -> page number, domain -> domain number; both from 0. */
  readonly #pages = new KeyTable();
  readonly #domains = new Map<string, number>();

  /** Throws `StarDamaged`. */
  constructor(dir: string, head: Head, rules: Rules, hash: KeyedHash) {
    this.#rules = rules;
    this.#hash = hash;
    const { results, texts } = head;
    const goesOn = sameRules(results.versions, rules.versions);
    this.#generation = goesOn ? results.generation : results.generation + 1;
    const seals = goesOn ? results.files : noResults;
    this.#files = recordOfParts(
      (part) => new AppendFile(resultPath(dir, part, this.#generation), seals[part]),
    );
    if (goesOn) {
      for (const page of textsIn(resultPath(dir, 'pages', this.#generation), seals.pages)) {
        hash.text(page);
        this.#pages.set(hash.words, 0, this.#pages.size);
      }
      for (const domain of textsIn(resultPath(dir, 'domains', this.#generation), seals.domains))
        this.#domains.set(domain, this.#domains.size);
    } else {
      for (const url of textsIn(join(dir, 'urls'), texts.urls)) this.addUrl(url);
      for (const agent of textsIn(join(dir, 'agents'), texts.agents)) this.addAgent(agent);
    }
  }

  /** Of the URL whose number is the next: 1 + its page's number, or 0. */
  addUrl(url: string): void {
    const normalized = this.#rules.url.normalizeNew(url);
    this.#files['url-pages'].u32(normalized.ok ? 1 + this.#pageNumber(normalized.url) : 0);
  }

  addAgent(agent: string): void {
    this.#files['agent-bots'].raw(Uint8Array.of(this.#rules.bots.excludes(agent) ? 1 : 0));
  }

  commit(): ResultSeals {
    const files = recordOfParts((part) => this.#files[part].commit());
    return { versions: this.#rules.versions, generation: this.#generation, files };
  }

  close(): void {
    for (const part of parts) this.#files[part].close();
  }

  #pageNumber(page: string): number {
    this.#hash.text(page);
    const known = this.#pages.get(this.#hash.words, 0);
    if (known >= 0) return known;
    const number = this.#pages.size;
    this.#pages.set(this.#hash.words, 0, number);
    addText(this.#files.pages, page);
    this.#files['page-domains'].u32(this.#domainNumber(domainOf(page)));
    return number;
  }

  #domainNumber(domain: string): number {
    const known = this.#domains.get(domain);
    if (known !== undefined) return known;
    this.#domains.set(domain, this.#domains.size);
    addText(this.#files.domains, domain);
    return this.#domains.size - 1;
  }
}

function addText(file: AppendFile, text: string): void {
  const bytes = Buffer.from(text);
  file.text(bytes, 0, bytes.length);
}

/** The texts of a file as strings, in order. Throws `StarDamaged`. */
export function* textsIn(path: string, seal: AppendSeal): Generator<string> {
  for (const { bytes, starts, ends, count } of readTexts(path, seal)) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < count; i++) yield buffer.toString('utf8', starts[i], ends[i]);
  }
}

function recordOfParts<T>(make: (part: ResultPart) => T): Record<ResultPart, T> {
  return Object.fromEntries(parts.map((part) => [part, make(part)])) as Record<ResultPart, T>; // all parts are there
}
