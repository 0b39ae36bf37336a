/** Where the value of a dimension comes from, as data: TypeScript, DuckDB and other engines read it alike. */

/**
 * The texts of a pageview that rules of dimensions read: its normalised URL, the utm parameters of the URL as it came
 * (facts/dimensions/tags.ts), and fields as they came. '' where there is none.
 */
const textNames = ['page', 'tags', 'referrer', 'userAgent', 'country'] as const;
export type TextName = (typeof textNames)[number];
export type DimensionTexts = Readonly<Record<TextName, string>>;

/** A pure function of one text. The result is spelled by `spelledValue` before it counts; undefined or '': there is none. */
export type TextRule = (text: string) => string | undefined;

/** The result of one rule of one text. */
export interface TextResult {
  readonly text: TextName;
  /** Names it among the results of its text, as a column of a table of texts would be named. */
  readonly result: string;
  readonly rule: TextRule;
}

export interface Choice extends TextResult {
  /** The result does not count where it is the page's own domain. */
  readonly exceptOwnDomain?: true;
}

/** Where a result is stored: unlike for all texts and results. */
export function resultName({ text, result }: Pick<TextResult, 'text' | 'result'>): string {
  return `${text}-${result}`;
}
