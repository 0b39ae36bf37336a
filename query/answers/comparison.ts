/** Figures of an earlier period beside those of a range, or of an interval of it: `compare` in bodies, columns at the end of rows. */
import type { BucketRange, BucketWidth } from '../../lib/time/buckets.js';
import { column, type Cell, type Column } from '../formats/table.js';

/** Figures by the names of the columns they stand in. */
export type Figures<T> = Readonly<Record<keyof T, Cell>>;

/** Figures of the earlier period. */
export interface Before<T> {
  readonly period: BucketRange;
  readonly figures: T;
}

export type Compared<T> = T & { readonly from: string; readonly to: string; readonly overlap: boolean };

export class Comparing<T extends Figures<T>> {
  readonly #columns: readonly Column<keyof T & string>[];
  readonly #overlap: (a: T, b: T) => boolean;
  readonly #width: BucketWidth;

  /** @param overlap whether two of them may differ by nothing but error */
  constructor(
    columns: readonly Column<keyof T & string>[],
    overlap: (a: T, b: T) => boolean,
    width: BucketWidth,
  ) {
    this.#columns = columns;
    this.#overlap = overlap;
    this.#width = width;
  }

  /** null if there is no such period. */
  body(figures: T, before: Before<T> | undefined): Compared<T> | null {
    if (before === undefined) return null;
    const { from, to } = before.period;
    return {
      from: this.#width.show(from),
      to: this.#width.show(to),
      ...before.figures,
      overlap: this.#overlap(figures, before.figures),
    };
  }

  get columns(): readonly Column[] {
    const named = this.#columns.map(({ name, type }) =>
      column(`compare${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, type),
    );
    return [column('compareFrom', 'time'), column('compareTo', 'time'), ...named, column('overlap', 'flag')];
  }

  /** Cells of `columns`. */
  cells(figures: T, before: Before<T> | undefined): readonly Cell[] {
    if (before === undefined) return this.columns.map(() => null);
    return [
      before.period.from * this.#width.ms,
      before.period.to * this.#width.ms,
      ...this.#columns.map(({ name }): Cell => before.figures[name]),
      this.#overlap(figures, before.figures),
    ];
  }
}
