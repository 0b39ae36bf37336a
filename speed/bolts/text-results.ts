/**
 * What the rules of the kept dimensions make of the texts of a pageview. It is remembered, so no string is made of a text
 * that was looked up lately, and no rule is asked about it again.
 *
 * Results carry a hash of their own (128 bits, keyed), so that a combination of several is found by the XOR of their
 * hashes: as each is a random number without the key, two different combinations share an XOR with odds
 * of 2^-128 (Zobrist, "A New Hashing Method with Application for Game Playing", 1970).
 */
import type { TextName } from '../../facts/dimensions/choice.js';
import type { DimensionRules } from '../../facts/dimensions/dimension-rules.js';
import { tagsOf } from '../../facts/dimensions/tags.js';
import type { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { RecentObjects } from '../../lib/memory/recent-objects.js';
import { hashAt, rowWords, type PageviewColumns } from './pageview-columns.js';

export class TextResults {
  /** As `DimensionRules.results`; '' for those of other texts. */
  readonly results: readonly string[];
  readonly #a: number;
  readonly #b: number;
  readonly #c: number;
  readonly #d: number;

  /**
   * Throws what the rules throw.
   *
   * @param origin what else tells these results apart from those of other texts, without control characters
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

  /** Adds the hash to the XOR at `words[at]`. */
  xorInto(words: Int32Array, at: number): void {
    words[at] = (words[at] ?? 0) ^ this.#a;
    words[at + 1] = (words[at + 1] ?? 0) ^ this.#b;
    words[at + 2] = (words[at + 2] ?? 0) ^ this.#c;
    words[at + 3] = (words[at + 3] ?? 0) ^ this.#d;
  }
}

/** Of the page, and of the tags in the URL as it came. Those of two domains are never one. */
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

/** The texts that are fields of a pageview. */
export const fieldTexts = ['referrer', 'userAgent', 'country'] as const satisfies readonly TextName[];
export type FieldText = (typeof fieldTexts)[number];

const rememberedTexts = 16_384;

/** Of one field. */
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

  /** Touches what `of` looks at. */
  prefetch({ hashes }: PageviewColumns): void {
    this.#recent.prefetch(hashes, this.#hashAt, rowWords);
  }

  /** Throws what the rules throw. */
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
