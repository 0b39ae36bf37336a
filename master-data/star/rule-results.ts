/**
 * What the rules make of the star's texts: of a URL its page, or that it is refused; of a page its domain; of a user agent
 * whether it is a bot's; of each text that a dimension reads its value, as a number in `values`. A row for each text, so other rules work through the texts again, and not through the facts. All
 * of it lies in files of one generation (`<what>-<generation>`): other rules begin a new one.
 */
import { join } from 'node:path';
import { resultName, type TextName } from '../../facts/dimensions/choice.js';
import type { Rules } from '../../facts/rules.js';
import { sameRules, type RulesVersions } from '../../facts/rules-versions.js';
import { KeyTable } from '../../lib/memory/key-table.js';
import { textsOf } from '../../lib/memory/text-spans.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { domainOf } from '../../facts/url/domain.js';
import { AppendFile, nothing, readTexts, type AppendSeal } from './append-file.js';
import type { Head } from './head.js';

/** Parts that every star has; a part for each result of the dimensions' rules (`resultName`) comes with them. */
const fixedParts = ['url-pages', 'agent-bots', 'pages', 'page-domains', 'domains', 'values'] as const;
/** What a file holds: texts, or a number for each text of a dictionary. */
export type ResultPart = string;

export interface ResultSeals {
  readonly versions: RulesVersions;
  readonly generation: number;
  readonly files: Readonly<Record<ResultPart, AppendSeal>>;
}

export function resultPath(dir: string, part: ResultPart, generation: number): string {
  return join(dir, `${part}-${generation}`);
}

/** The dictionary of each text that rules of dimensions read; pages are a result themselves. */
const dictionaryOf = { tags: 'tags', referrer: 'referrers', country: 'countries' } as const;

/** Adds results to those of a head's, or begins with those of all its texts when they are other rules'. */
export class RuleResults {
  readonly #rules: Rules;
  readonly #hash: KeyedHash;
  readonly #generation: number;
  readonly #files: ReadonlyMap<ResultPart, AppendFile>;
  /** Page -> page number, domain -> domain number, value of a dimension -> its number; the last from 1, all others from 0. */
  readonly #pages = new KeyTable();
  readonly #domains = new Map<string, number>();
  readonly #values = new KeyTable();

  /** Throws `StarDamaged`. */
  constructor(dir: string, head: Head, rules: Rules, hash: KeyedHash) {
    this.#rules = rules;
    this.#hash = hash;
    const { results, texts } = head;
    const goesOn = sameRules(results.versions, rules.versions);
    this.#generation = goesOn ? results.generation : results.generation + 1;
    const sealOf = (part: ResultPart): AppendSeal => (goesOn ? results.files[part] : undefined) ?? nothing;
    const pathOf = (part: ResultPart): string => resultPath(dir, part, this.#generation);
    this.#files = new Map(
      partsOf(rules).map((part): [ResultPart, AppendFile] => [
        part,
        new AppendFile(pathOf(part), sealOf(part)),
      ]),
    );
    if (goesOn) {
      for (const page of textsIn(pathOf('pages'), sealOf('pages'))) numberIn(this.#pages, page, hash);
      for (const domain of textsIn(pathOf('domains'), sealOf('domains')))
        this.#domains.set(domain, this.#domains.size);
      for (const value of textsIn(pathOf('values'), sealOf('values'))) numberIn(this.#values, value, hash);
    } else {
      for (const url of textsIn(join(dir, 'urls'), texts.urls)) this.addUrl(url);
      for (const agent of textsIn(join(dir, 'agents'), texts.agents)) this.addAgent(agent);
      for (const [text, name] of Object.entries(dictionaryOf) as ['tags', 'tags'][])
        for (const each of textsIn(join(dir, name), texts[name])) this.addText(text, each);
    }
  }

  /** Of the URL whose number is the next: 1 + its page's number, or 0. */
  addUrl(url: string): void {
    const normalized = this.#rules.url.normalizeNew(url);
    this.#file('url-pages').u32(normalized.ok ? 1 + this.#pageNumber(normalized.url) : 0);
  }

  addAgent(agent: string): void {
    this.#file('agent-bots').raw(Uint8Array.of(this.#rules.bots.excludes(agent) ? 1 : 0));
    this.addText('userAgent', agent);
  }

  /** Of the text whose number is the next in its dictionary, what the rules of dimensions make of it. */
  addText(name: TextName, text: string): void {
    for (const result of this.#rules.dimensions.results)
      if (result.text === name)
        this.#file(resultName(result)).u32(this.#valueNumber(this.#rules.dimensions.resultOf(result, text)));
  }

  commit(): ResultSeals {
    const files = Object.fromEntries(Array.from(this.#files, ([part, file]) => [part, file.commit()]));
    return { versions: this.#rules.versions, generation: this.#generation, files };
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }

  #pageNumber(page: string): number {
    const { number, isNew } = numberIn(this.#pages, page, this.#hash);
    if (isNew) {
      addText(this.#file('pages'), page);
      this.#file('page-domains').u32(this.#domainNumber(domainOf(page)));
      this.addText('page', page);
    }
    return number;
  }

  #domainNumber(domain: string): number {
    const known = this.#domains.get(domain);
    if (known !== undefined) return known;
    this.#domains.set(domain, this.#domains.size);
    addText(this.#file('domains'), domain);
    return this.#domains.size - 1;
  }

  /** 0 for none. */
  #valueNumber(value: string): number {
    if (value === '') return 0;
    const { number, isNew } = numberIn(this.#values, value, this.#hash);
    if (isNew) addText(this.#file('values'), value);
    return 1 + number;
  }

  #file(part: ResultPart): AppendFile {
    const file = this.#files.get(part);
    if (file === undefined) throw new RangeError(`unknown part of the rule results: ${part}`);
    return file;
  }
}

function partsOf(rules: Rules): readonly ResultPart[] {
  return [...fixedParts, ...rules.dimensions.results.map(resultName)];
}

/** The number of a text in order of appearance, from 0; a new one where it is not in the table. */
function numberIn(
  table: KeyTable,
  text: string,
  hash: KeyedHash,
): { readonly number: number; readonly isNew: boolean } {
  hash.text(text);
  const known = table.get(hash.words, 0);
  if (known >= 0) return { number: known, isNew: false };
  const number = table.size;
  table.set(hash.words, 0, number);
  return { number, isNew: true };
}

function addText(file: AppendFile, text: string): void {
  const bytes = Buffer.from(text);
  file.text(bytes, 0, bytes.length);
}

/** The texts of a file as strings, in order. Throws `StarDamaged`. */
export function* textsIn(path: string, seal: AppendSeal): Generator<string> {
  for (const texts of readTexts(path, seal)) yield* textsOf(texts);
}
