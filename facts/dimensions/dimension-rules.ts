/** The dimensions that views are kept of, and what their rules make of texts. */
import { SwaError } from '../../lib/errors/errors.js';
import { nearest } from '../../lib/errors/nearest.js';
import { dimensions, type Dimension } from '../subjects.js';
import { resultName, type DimensionTexts, type TextResult } from './choice.js';
import { spelledValue } from './value.js';

/** Where a value comes from in the order of preference: its place among `results`. */
export interface ChoicePlace {
  readonly result: number;
  readonly exceptOwnDomain: boolean;
}

export class DimensionRules {
  readonly kept: readonly Dimension[];
  /** Of those. */
  readonly names: readonly string[];
  /** Names the dimensions and their rules: equal strings, equal values. */
  readonly version: string;
  /** All results that the dimensions choose from, each once. */
  readonly results: readonly TextResult[];
  /** By dimension, as `kept`. */
  readonly choices: readonly (readonly ChoicePlace[])[];

  /**
   * @param names of `table` in any order; 'all' for all of them, none for none
   * Throws `config.invalid` for a name that is not in the table.
   */
  constructor(names: readonly string[] = ['all'], table: readonly Dimension[] = dimensions) {
    this.kept = keptOf(names, table);
    this.names = this.kept.map(({ name }) => name);
    this.version = this.kept.map(({ name, version }) => `${name} ${version}`).join(', ') || 'none';
    const results = new Map<string, TextResult>();
    for (const choice of this.kept.flatMap(({ choices }) => choices)) results.set(resultName(choice), choice);
    this.results = [...results.values()];
    const places = [...results.keys()];
    this.choices = this.kept.map(({ choices }) =>
      choices.map((choice) => ({
        result: places.indexOf(resultName(choice)),
        exceptOwnDomain: choice.exceptOwnDomain === true,
      })),
    );
  }

  /** '' for none. */
  resultOf({ rule }: TextResult, text: string): string {
    return text === '' ? '' : spelledValue(rule(text));
  }

  /**
   * The value of each dimension for a pageview, as `kept`; '' for none.
   *
   * @param results of its texts, as `results`, '' for none
   * @param domain of its page
   */
  choose(results: readonly string[], domain: string): string[] {
    return this.kept.map(({ otherwise = '' }, dimension) => {
      for (const { result, exceptOwnDomain } of this.choices[dimension] ?? []) {
        const value = results[result] ?? '';
        if (value !== '' && !(exceptOwnDomain && value === domain)) return value;
      }
      return otherwise;
    });
  }

  /** The same from the texts themselves. */
  valuesOf(texts: DimensionTexts, domain: string): string[] {
    return this.choose(
      this.results.map((result) => this.resultOf(result, texts[result.text])),
      domain,
    );
  }
}

function keptOf(names: readonly string[], table: readonly Dimension[]): readonly Dimension[] {
  if (names.includes('all') && names.length === 1) return table;
  const known = table.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const suggestion = nearest(name, known);
    throw new SwaError(
      'config.invalid',
      `SWA_DIMENSIONS: '${name}' is not a dimension${suggestion === undefined ? '' : `; did you mean '${suggestion}'?`}`,
      { hint: `list some of ${known.join(', ')}, or set it to 'all' (the default) or to an empty text` },
    );
  }
  return table.filter(({ name }) => names.includes(name));
}
