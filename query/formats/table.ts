/** An answer as rows, from which CSV and Arrow are made. */

/** 'time' is UTC milliseconds. */
export type ColumnType = 'text' | 'time' | 'count' | 'number' | 'flag';

export interface Column<Name extends string = string> {
  readonly name: Name;
  readonly type: ColumnType;
}

export type Cell = string | number | boolean | null;

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export function column<Name extends string>(name: Name, type: ColumnType): Column<Name> {
  return { name, type };
}
