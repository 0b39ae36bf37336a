/** Sources of a dimension's value, described as data so that TypeScript, DuckDB and other engines apply them alike. */

/**
 * Texts of a pageview that dimension rules read: its normalised URL, the utm parameters of the URL as received (facts/dimensions/tags.ts), and
 * other fields as received. A missing text is ''.
 */
const textNames = ['page', 'tags', 'referrer', 'userAgent', 'country'] as const;
export type TextName = (typeof textNames)[number];
export type DimensionTexts = Readonly<Record<TextName, string>>;

/** A pure function of one text. The result is normalised by `normalizedValue`; undefined or '' means that there is none. */
export type TextRule = (text: string) => string | undefined;

/** One rule applied to one text. */
export interface TextResult {
  readonly text: TextName;
  /** Unique among the results of its text; part of column and file names. */
  readonly result: string;
  readonly rule: TextRule;
}

export interface Choice extends TextResult {
  /** Ignore the result if it is the page's own domain. */
  readonly exceptOwnDomain?: true;
}

/** Name under which a result is stored; unique over all texts and results. */
export function resultName({ text, result }: Pick<TextResult, 'text' | 'result'>): string {
  return `${text}-${result}`;
}
