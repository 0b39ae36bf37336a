/** An answer as rows: what CSV and Arrow are made from. */

/** 'time' is UTC milliseconds. */
export type ColumnType = 'text' | 'time' | 'count' | 'number' | 'flag';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export type Cell = string | number | boolean | null;

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export function column(name: string, type: ColumnType): Column {
  return { name, type };
}
