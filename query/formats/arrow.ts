/**
 * Arrow IPC stream with one record batch. Everything that is not a row (the total, accuracy, freshness, range, rules) is in the schema's metadata as
 * JSON.
 */
import {
  Bool,
  Field,
  Float64,
  Int64,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMillisecond,
  Utf8,
  makeData,
  vectorFromArray,
  type Data,
  type DataType,
} from 'apache-arrow';
import type { Cell, Column, ColumnType, Table } from './table.js';

export const arrowMediaType = 'application/vnd.apache.arrow.stream';

export function toArrow(table: Table, meta: Readonly<Record<string, unknown>>): Uint8Array {
  const fields = table.columns.map((column) => new Field(column.name, typeOf[column.type](), true));
  const metadata = new Map(
    Object.entries(meta).map(([name, value]) => [`swa.${name}`, JSON.stringify(value)]),
  );
  const schema = new Schema(fields, metadata);
  const children = table.columns.map((column, i) =>
    columnData(
      column,
      table.rows.map((row) => row[i] ?? null),
    ),
  );
  const data = makeData({ type: new Struct(fields), length: table.rows.length, nullCount: 0, children });
  const writer = new RecordBatchStreamWriter();
  writer.write(new RecordBatch(schema, data));
  writer.finish();
  return writer.toUint8Array(true);
}

const typeOf: Readonly<Record<ColumnType, () => DataType>> = {
  text: () => new Utf8(),
  time: () => new TimestampMillisecond('UTC'),
  count: () => new Int64(),
  number: () => new Float64(),
  flag: () => new Bool(),
};

function columnData(column: Column, cells: readonly Cell[]): Data {
  const values =
    column.type === 'count' ? cells.map((cell) => (cell === null ? null : BigInt(Number(cell)))) : cells;
  const data = vectorFromArray(values, typeOf[column.type]()).data[0];
  if (data === undefined) throw new RangeError('a vector without data');
  return data;
}
