/** Options and result of a row of the bench. */

/** The result of one row. `ratio` is the figure of the target, if the target is a ratio. */
export interface BenchResult {
  readonly target: string;
  readonly met: boolean;
  readonly ratio?: number;
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface BenchOptions {
  /** A small run that only shows that the row works; its figures are not meaningful. */
  readonly quick: boolean;
}
