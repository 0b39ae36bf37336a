/** What a row of the bench is given and what it answers. */

/** What one row measured. `ratio` is the figure the target speaks about, when it is a ratio. */
export interface BenchResult {
  readonly target: string;
  readonly met: boolean;
  readonly ratio?: number;
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface BenchOptions {
  /** A small run that shows the row works; its figures are not claims. */
  readonly quick: boolean;
}
