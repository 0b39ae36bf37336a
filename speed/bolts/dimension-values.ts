/**
 * Values of pageviews in the kept dimensions (facts/subjects.ts). Most pageviews of a domain share a few combinations of values. One object per
 * partition represents each recent combination, so the work per pageview does not grow with the number of dimensions.
 */
import type { DimensionRules } from '../../facts/dimensions/dimension-rules.js';
import { hashWords, type KeyedHash } from '../../lib/memory/keyed-hash.js';
import { RecentObjects } from '../../lib/memory/recent-objects.js';
import { CellSubject, ValueCombination } from '../store/cell-subject.js';
import type { Page } from './page-cache.js';
import type { PageviewColumns } from './pageview-columns.js';
import { FieldResults, fieldTexts } from './text-results.js';

export class DimensionValues {
  readonly #rules: DimensionRules;
  /** The fields that the rules read. */
  readonly #fields: readonly FieldResults[];

  constructor(rules: DimensionRules, hash: KeyedHash) {
    this.#rules = rules;
    const read = new Set(rules.results.map(({ text }) => text));
    this.#fields = fieldTexts
      .filter((field) => read.has(field))
      .map((field) => new FieldResults(field, rules, hash));
  }

  /** Combinations for the pageviews at `rows`, whose pages are `pages`; empty if no dimension is kept. Throws any error of the rules. */
  of(
    pageviews: PageviewColumns,
    rows: Int32Array,
    pages: readonly Page[],
    known: ValueCombinations,
  ): readonly ValueCombination[] {
    if (this.#rules.kept.length === 0) return [];
    const keys = this.#keys(pageviews, rows, pages);
    known.recent.prefetch(keys, 0, hashWords);
    return pages.map((page, i) => {
      const at = hashWords * i;
      return (
        known.recent.get(keys, at) ??
        known.recent.set(keys, at, this.#workOut(pageviews, rows[i] ?? 0, page, known))
      );
    });
  }

  /** A key per row: the XOR of the hashes of all its results. */
  #keys(pageviews: PageviewColumns, rows: Int32Array, pages: readonly Page[]): Int32Array {
    const keys = new Int32Array(hashWords * rows.length);
    pages.forEach(({ results }, i) => results.xorInto(keys, hashWords * i));
    for (const field of this.#fields) {
      field.prefetch(pageviews);
      for (let i = 0; i < rows.length; i++) field.of(pageviews, rows[i] ?? 0).xorInto(keys, hashWords * i);
    }
    return keys;
  }

  #workOut(pageviews: PageviewColumns, row: number, page: Page, known: ValueCombinations): ValueCombination {
    const { domain } = page;
    const parts = [page.results, ...this.#fields.map((field) => field.of(pageviews, row))];
    const results = this.#rules.results.map(
      (_, i) => parts.find((part) => part.results[i] !== '')?.results[i] ?? '',
    );
    const values = this.#rules.choose(results, domain);
    return new ValueCombination(
      this.#rules.kept.map(({ name }, i) => {
        const value = values[i] ?? '';
        return value === '' ? undefined : known.subject(name, domain, value);
      }),
    );
  }
}

/** A combination weighs one more for every this many characters of its domains and values. */
const charactersOfWeight = 1_024;

/** Recent combinations of one partition. */
export class ValueCombinations {
  /** By the XOR of the hashes of all results. */
  readonly recent: RecentObjects<ValueCombination>;
  readonly #subjects = new Map<string, CellSubject>();

  /** @param turnWeight the cache holds between this number of entries of usual length and twice as many */
  constructor(turnWeight: number) {
    this.recent = new RecentObjects(
      turnWeight,
      () => this.#subjects.clear(),
      ({ subjects }) =>
        1 +
        Math.floor(
          subjects.reduce(
            (sum, subject) => sum + (subject?.name.length ?? 0) + (subject?.domain.length ?? 0),
            0,
          ) / charactersOfWeight,
        ),
    );
  }

  /** The same object for the same value, as long as combinations with it are cached. */
  subject(dimension: string, domain: string, value: string): CellSubject {
    const name = `${dimension}\n${domain}\n${value}`; // none of the three contains control characters
    let subject = this.#subjects.get(name);
    if (subject === undefined) {
      subject = CellSubject.value(dimension, domain, value);
      this.#subjects.set(name, subject);
    }
    return subject;
  }
}
