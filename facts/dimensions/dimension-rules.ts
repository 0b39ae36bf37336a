/** The dimensions that views keep, and their values for a pageview. */
import { SwaError } from '../../lib/errors/errors.js';
import { nearest } from '../../lib/errors/nearest.js';
import { dimensions, type Dimension } from '../subjects.js';
import { resultName, type DimensionTexts, type TextResult } from './choice.js';
import { normalizedValue } from './value.js';

/** One choice of a dimension: the index of its result among `results`. */
export interface ChoicePlace {
  readonly result: number;
  readonly exceptOwnDomain: boolean;
}

export class DimensionRules {
  readonly kept: readonly Dimension[];
  /** Names of `kept`. */
  readonly names: readonly string[];
  /** Dimensions and versions of their rules: equal strings give equal values. */
  readonly version: string;
  /** All results that the dimensions choose from, without duplicates. */
  readonly results: readonly TextResult[];
  /** Choices of each dimension in order of preference, parallel to `kept`. */
  readonly choices: readonly (readonly ChoicePlace[])[];

  /**
   * Throws `config.invalid` for a name that is not in the table.
   *
   * @param names dimensions of `table` in any order; ['all'] keeps all, [] none
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

  /** Normalised result of a rule; '' if there is none. */
  resultOf({ rule }: TextResult, text: string): string {
    return text === '' ? '' : normalizedValue(rule(text));
  }

  /**
   * Value of each dimension for one pageview, parallel to `kept`; '' for no value.
   *
   * @param results results for its texts, parallel to `this.results`; '' for no result
   * @param domain registrable domain of its page
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

  /** Like `choose`, but computes the results from the texts. */
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
