/**
 * Results of the rules for the star's texts: the page of a URL, or that it is rejected; the domain of a page; whether a
 * user agent is a bot; and, for each text that a dimension reads, its value as a number in `values`. There is one entry
 * per text, so changed rules are applied to the texts again and not to the facts. The results are files of one
 * generation (`<what>-<generation>`); changed rules begin a new generation.
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

/** The parts of every star; there is another part for each result of the dimensions' rules (`resultName`). */
const fixedParts = ['url-pages', 'agent-bots', 'pages', 'page-domains', 'domains', 'values'] as const;
/** Name of a result file, which holds texts or a number for each text of a dictionary. */
export type ResultPart = string;

export interface ResultSeals {
  readonly versions: RulesVersions;
  readonly generation: number;
  readonly files: Readonly<Record<ResultPart, AppendSeal>>;
}

export function resultPath(dir: string, part: ResultPart, generation: number): string {
  return join(dir, `${part}-${generation}`);
}

/** The dictionary of each kind of text that dimensions read; pages are a result themselves. */
const dictionaryOf = { tags: 'tags', referrer: 'referrers', country: 'countries' } as const;

/** Adds results to those of a head, or starts again with all of its texts if the rules have changed. */
export class RuleResults {
  readonly #rules: Rules;
  readonly #hash: KeyedHash;
  readonly #generation: number;
  readonly #files: ReadonlyMap<ResultPart, AppendFile>;
  /**
   * Page to page number, domain to domain number, value of a dimension to its index; all from 0 (`values` stores index
   * + 1).
   */
  readonly #pages = new KeyTable();
  readonly #domains = new Map<string, number>();
  readonly #values = new KeyTable();

  /** Reads the existing results. Throws `StarDamaged`. */
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

  /** Adds the result of the next URL: 1 + its page's number, or 0 if it is rejected. */
  addUrl(url: string): void {
    const normalized = this.#rules.url.normalizeNew(url);
    this.#file('url-pages').u32(normalized.ok ? 1 + this.#pageNumber(normalized.url) : 0);
  }

  addAgent(agent: string): void {
    this.#file('agent-bots').raw(Uint8Array.of(this.#rules.bots.excludes(agent) ? 1 : 0));
    this.addText('userAgent', agent);
  }

  /** Adds the dimensions' results of the next text of a dictionary. */
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

  /** Returns 1 + the value's index, or 0 for an empty value. */
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

/** Returns the number of a text, from 0 in order of appearance; a new text gets the next number. */
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

/** Yields the texts of a file as strings, in order. Throws `StarDamaged`. */
export function* textsIn(path: string, seal: AppendSeal): Generator<string> {
  for (const texts of readTexts(path, seal)) yield* textsOf(texts);
}
