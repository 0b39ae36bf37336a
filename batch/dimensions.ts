/** Translates the table of dimensions (facts/subjects.ts) to the numbers of a run, for the sorting threads. */
import type { TextName } from '../facts/dimensions/choice.js';
import type { DimensionRules } from '../facts/dimensions/dimension-rules.js';
import { inverse } from '../lib/memory/counting-sort.js';
import { PackedTexts } from '../lib/memory/packed-texts.js';
import { shared } from '../lib/memory/shared.js';
import type { Star } from '../master-data/star/star.js';
import { factWords, fixedWords } from './arrays/dealt.js';
import type { Names } from './arrays/plan.js';
import type { DimensionTable } from './arrays/sort-job.js';
import { textOrder } from './arrays/text-order.js';
import type { TextColumnName } from './facts/repeats.js';

/** The star's column for each text, except the page, which every fact has. */
const columnOf = { tags: 'tags', referrer: 'referrer', userAgent: 'agent', country: 'country' } as const;

/** The text columns that facts must be dealt with. */
export function columnsFor(rules: DimensionRules): readonly TextColumnName[] {
  const read = new Set(rules.results.map(({ text }) => text));
  return Object.entries(columnOf).flatMap(([text, column]) => (read.has(text as TextName) ? [column] : []));
}

/** A dimension's table for the sorting threads, and the texts of its values. */
export interface RunDimension {
  readonly table: DimensionTable;
  /** UTF-8 of a value. */
  readonly text: (value: number) => Uint8Array;
}

export function dimensionsOf(star: Star, names: Names, rules: DimensionRules): RunDimension[] {
  const columns = columnsFor(rules);
  const values = new Values(star, names.domains, rules);
  const results = rules.results.map((result) => {
    const { text } = result;
    const ofText = star.valuesOf(result);
    if (text !== 'page') return { word: fixedWords + columns.indexOf(columnOf[text]), values: ofText };
    return { word: factWords.page, values: names.pageOfRank.map((page) => ofText[page] ?? 0) };
  });
  return rules.kept.map(({ otherwise }, i) => {
    const choices = (rules.choices[i] ?? []).flatMap(({ result, exceptOwnDomain }) => {
      const found = results[result];
      return found === undefined ? [] : [{ ...found, exceptOwnDomain }];
    });
    const fallback = otherwise === undefined ? 0 : values.numberOf(otherwise);
    const own = values.numbered([...choices.map((choice) => choice.values), [fallback]]);
    return {
      table: {
        choices: choices.map((choice) => ({ ...choice, values: own.of(choice.values) })),
        otherwise: own.numbers[fallback] ?? 0,
        ownValues: own.of(values.ownValues),
        valueCount: own.count,
      },
      text: (value) => values.text(own.values[value - 1] ?? 0),
    };
  });
}

/** The star's values, and the fallback values (`otherwise`), numbered from 1. */
class Values {
  readonly #texts = new PackedTexts();
  readonly #fallbacks = new Map<string, number>();
  /** By number, less 1: the value's place in the order of the texts. */
  readonly #ranks: Uint32Array;
  /** By rank of a domain: the number of the value that equals its name; 0 if there is none. */
  readonly ownValues: Uint32Array;

  constructor(star: Star, domains: readonly string[], { kept }: DimensionRules) {
    const rankOf = new Map(domains.map((domain, rank) => [domain, rank]));
    const fallbacks = new Set(kept.flatMap(({ otherwise }) => otherwise ?? []));
    this.ownValues = new Uint32Array(domains.length);
    const { bytes, count } = star.values;
    for (let i = 0; i < count; i++) {
      this.#texts.addBytes(bytes, star.values.startOf(i), star.values.endOf(i));
      const text = star.values.text(i);
      const rank = rankOf.get(text);
      if (rank !== undefined) this.ownValues[rank] = i + 1;
      if (fallbacks.has(text)) this.#fallbacks.set(text, i + 1);
    }
    for (const text of fallbacks) {
      if (this.#fallbacks.has(text)) continue;
      this.#texts.add(`${text}\u001f`);
      this.#fallbacks.set(text, this.#texts.count);
    }
    this.#ranks = inverse(textOrder(this.#texts));
  }

  numberOf(fallback: string): number {
    return this.#fallbacks.get(fallback) ?? 0;
  }

  text(value: number): Uint8Array {
    return this.#texts.bytes.subarray(this.#texts.startOf(value - 1), this.#texts.endOf(value - 1));
  }

  /** Numbers the values that occur in the lists from 1, in the order of their texts. 0 stays 0. */
  numbered(lists: readonly Iterable<number>[]): Numbering {
    const numbers = new Uint32Array(1 + this.#texts.count);
    for (const list of lists) for (const value of list) numbers[value] = 1;
    numbers[0] = 0;
    const values = Uint32Array.from(numbers.keys())
      .filter((value) => numbers[value] === 1)
      .toSorted((a, b) => (this.#ranks[a - 1] ?? 0) - (this.#ranks[b - 1] ?? 0));
    values.forEach((value, i) => (numbers[value] = i + 1));
    return {
      count: values.length,
      numbers,
      values,
      of: (list) => shared(list.map((value) => numbers[value] ?? 0)),
    };
  }
}

/** The values of one dimension, numbered from 1. */
interface Numbering {
  readonly count: number;
  /** Number of a value of the star; 0 if it does not occur. */
  readonly numbers: Uint32Array;
  /** Value of the star, by number less 1. */
  readonly values: Uint32Array;
  readonly of: (values: Uint32Array) => Uint32Array;
}
