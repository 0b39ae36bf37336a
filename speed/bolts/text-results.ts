/**
 * Results of the dimension rules for the texts of pageviews. Cached, so that a recent text is not decoded into a string or passed to a rule
 * again.
 *
 * Each set of results has a keyed 128-bit hash, so that a combination of several is identified by the XOR of their hashes: without the key each
 * is a random number, so two different combinations collide with probability 2^-128 (Zobrist, "A New Hashing Method with Application for Game
 * Playing", 1970).
 */
import type { TextName } from '../../facts/dimensions/choice.js';
import type { DimensionRules } from '../../facts/dimensions/dimension-rules.js';
import { tagsOf } from '../../facts/dimensions/tags.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { RecentObjects } from '../../lib/memory/recent-objects.js';
import { hashAt, rowWords, type PageviewColumns } from './pageview-columns.js';

export class TextResults {
  /** Parallel to `DimensionRules.results`; '' for results of other texts. */
  readonly results: readonly string[];
  readonly #a: number;
  readonly #b: number;
  readonly #c: number;
  readonly #d: number;

  /**
   * Throws any error of the rules.
   *
   * @param origin distinguishes these results from those of other texts; without control characters
   */
  constructor(
    origin: string,
    texts: Partial<Record<TextName, string>>,
    rules: DimensionRules,
    hash: KeyedHash,
  ) {
    this.results = rules.results.map((result) => rules.resultOf(result, texts[result.text] ?? ''));
    hash.text([origin, ...this.results].join('\n'));
    this.#a = hash.words[0] ?? 0;
    this.#b = hash.words[1] ?? 0;
    this.#c = hash.words[2] ?? 0;
    this.#d = hash.words[3] ?? 0;
  }

  /** XORs the hash into `words[at]`. */
  xorInto(words: Int32Array, at: number): void {
    words[at] = (words[at] ?? 0) ^ this.#a;
    words[at + 1] = (words[at + 1] ?? 0) ^ this.#b;
    words[at + 2] = (words[at + 2] ?? 0) ^ this.#c;
    words[at + 3] = (words[at + 3] ?? 0) ^ this.#d;
  }
}

/** Results for the page and for the tags of the URL as received. Different domains never share an object. */
export class UrlResults {
  readonly #rules: DimensionRules;
  readonly #hash: KeyedHash;
  readonly #readsTags: boolean;
  readonly #readsPage: boolean;
  readonly #known = new Map<string, TextResults>();

  constructor(rules: DimensionRules, hash: KeyedHash) {
    this.#rules = rules;
    this.#hash = hash;
    this.#readsTags = rules.results.some(({ text }) => text === 'tags');
    this.#readsPage = rules.results.some(({ text }) => text === 'page');
  }

  of(raw: string, url: string, domain: string): TextResults {
    const tags = this.#readsTags ? tagsOf(raw) : '';
    const page = this.#readsPage ? url : '';
    const name = tags === '' && page === '' ? domain : JSON.stringify([domain, page, tags]);
    let found = this.#known.get(name);
    if (found === undefined) {
      found = new TextResults(`url ${domain}`, { page, tags }, this.#rules, this.#hash);
      this.#known.set(name, found);
    }
    return found;
  }

  forget(): void {
    this.#known.clear();
  }
}

/** Texts that are fields of a pageview. */
export const fieldTexts = ['referrer', 'userAgent', 'country'] as const satisfies readonly TextName[];
export type FieldText = (typeof fieldTexts)[number];

const rememberedTexts = 16_384;

/** Results for one field. */
export class FieldResults {
  readonly #field: FieldText;
  readonly #hashAt: number;
  readonly #rules: DimensionRules;
  readonly #hash: KeyedHash;
  /** By the hash of the text. */
  readonly #recent = new RecentObjects<TextResults>(rememberedTexts);

  constructor(field: FieldText, rules: DimensionRules, hash: KeyedHash) {
    this.#field = field;
    this.#hashAt = hashAt[field];
    this.#rules = rules;
    this.#hash = hash;
  }

  /** Prefetches the slots that `of` will read. */
  prefetch({ hashes }: PageviewColumns): void {
    this.#recent.prefetch(hashes, this.#hashAt, rowWords);
  }

  /** Throws any error of the rules. */
  of(pageviews: PageviewColumns, row: number): TextResults {
    const { hashes } = pageviews;
    const at = rowWords * row + this.#hashAt;
    return this.#recent.get(hashes, at) ?? this.#recent.set(hashes, at, this.#workOut(pageviews, row));
  }

  #workOut(pageviews: PageviewColumns, row: number): TextResults {
    const field = this.#field;
    return new TextResults(field, { [field]: pageviews.text(row, field) }, this.#rules, this.#hash);
  }
}
