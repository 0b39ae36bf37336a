/** Translates the table of dimensions (facts/subjects.ts) to the numbers of a run, for the sorting threads. */
import type { TextName } from '../facts/dimensions/choice.js';
import type { DimensionRules } from '../facts/dimensions/dimension-rules.js';
import { inverse } from '../lib/memory/counting-sort.js';
import { PackedTexts } from '../lib/memory/packed-texts.js';
import { shared } from '../lib/memory/shared.js';
import type { Star } from '../master-data/star/star.js';
import { factWords, fixedWords } from './arrays/dealt.js';
import type { Names } from './arrays/plan.js';
import type { DimensionTable, SortTables } from './arrays/sort-job.js';
import { textOrder } from './arrays/text-order.js';
import type { TextColumnName } from './facts/repeats.js';

/** The star's column for each text, except the page, which every fact has. */
const columnOf = { tags: 'tags', referrer: 'referrer', userAgent: 'agent', country: 'country' } as const;

/** The text columns that facts must be dealt with. */
export function columnsFor(rules: DimensionRules): readonly TextColumnName[] {
  const read = new Set(rules.results.map(({ text }) => text));
  return Object.entries(columnOf).flatMap(([text, column]) => (read.has(text as TextName) ? [column] : []));
}

export interface RunDimensions extends Pick<SortTables, 'dimensions' | 'ownValues' | 'rankOfValue'> {
  /** UTF-8 of a value, by its number. */
  readonly text: (value: number) => Uint8Array;
}

export function dimensionsOf(star: Star, names: Names, rules: DimensionRules): RunDimensions {
  const columns = columnsFor(rules);
  const values = new Values(star, names.domains, rules);
  const results = rules.results.map((result) => {
    const { text } = result;
    const ofText = star.valuesOf(result);
    if (text !== 'page') return { word: fixedWords + columns.indexOf(columnOf[text]), values: ofText };
    return { word: factWords.page, values: shared(names.pageOfRank.map((page) => ofText[page] ?? 0)) };
  });
  const dimensions = rules.kept.map(({ otherwise }, i): DimensionTable => ({
    choices: (rules.choices[i] ?? []).flatMap(({ result, exceptOwnDomain }) => {
      const found = results[result];
      return found === undefined ? [] : [{ ...found, exceptOwnDomain }];
    }),
    otherwise: otherwise === undefined ? 0 : values.numberOf(otherwise),
  }));
  return { dimensions, ...values.ordered(), text: (value) => values.text(value) };
}

/** The star's values, and the fallback values (`otherwise`). */
class Values {
  readonly #texts = new PackedTexts();
  readonly #fallbacks = new Map<string, number>();
  readonly #ownValues: Uint32Array;

  constructor(star: Star, domains: readonly string[], { kept }: DimensionRules) {
    const rankOf = new Map(domains.map((domain, rank) => [domain, rank]));
    const fallbacks = new Set(kept.flatMap(({ otherwise }) => otherwise ?? []));
    this.#ownValues = new Uint32Array(new SharedArrayBuffer(4 * domains.length));
    const { bytes, count } = star.values;
    for (let i = 0; i < count; i++) {
      this.#texts.addBytes(bytes, star.values.startOf(i), star.values.endOf(i));
      const text = star.values.text(i);
      const rank = rankOf.get(text);
      if (rank !== undefined) this.#ownValues[rank] = i + 1;
      if (fallbacks.has(text)) this.#fallbacks.set(text, i + 1);
    }
    for (const text of fallbacks) {
      if (this.#fallbacks.has(text)) continue;
      this.#texts.add(`${text}\u001f`);
      this.#fallbacks.set(text, this.#texts.count);
    }
  }

  numberOf(fallback: string): number {
    return this.#fallbacks.get(fallback) ?? 0;
  }

  text(value: number): Uint8Array {
    return this.#texts.bytes.subarray(this.#texts.startOf(value - 1), this.#texts.endOf(value - 1));
  }

  ordered(): Pick<SortTables, 'ownValues' | 'rankOfValue'> {
    const rankOfValue = new Uint32Array(new SharedArrayBuffer(4 * (1 + this.#texts.count)));
    rankOfValue.set(inverse(textOrder(this.#texts)), 1);
    return { ownValues: this.#ownValues, rankOfValue };
  }
}
