/** Splits appended records into pieces that each fit one commit, and computes the partition of every record. */
import { SwaError } from '../lib/errors/errors.js';
import type { NewRecord } from './log.js';
import { partitionIndexOf } from './partitioner.js';

/** Maximum size of a record's value; facts are a few kilobytes at most. */
export const maxRecordBytes = 512 * 1024;

export interface WritePiece {
  readonly records: readonly NewRecord[];
  /** Index into `partitionsOf` for each record. */
  readonly partitions: Uint16Array;
  /** Total bytes of the values plus the overhead of each record. */
  readonly sizeBytes: number;
}

export interface PieceOptions {
  readonly pageviewPartitions: number;
  /** Maximum bytes a record takes in addition to its value. */
  readonly overheadBytes: (record: NewRecord) => number;
  /** Maximum size of one piece in bytes. */
  readonly pieceBytes: number;
}

/** Throws `fact.invalid` for a record over `maxRecordBytes`. */
export function writePieces(records: readonly NewRecord[], options: PieceOptions): WritePiece[] {
  const pieces: WritePiece[] = [];
  const partitions = new Uint16Array(records.length);
  let from = 0;
  let sizeBytes = 0;
  const cut = (to: number): void => {
    const whole = from === 0 && to === records.length;
    pieces.push({
      records: whole ? records : records.slice(from, to),
      partitions: partitions.subarray(from, to),
      sizeBytes,
    });
    from = to;
    sizeBytes = 0;
  };
  for (let i = 0; i < records.length; i++) {
    const record = records[i];
    if (record === undefined) continue;
    const valueBytes = record.value.length;
    if (valueBytes > maxRecordBytes) {
      throw new SwaError(
        'fact.invalid',
        `a record of ${valueBytes} bytes exceeds the limit of ${maxRecordBytes} bytes`,
      );
    }
    partitions[i] = partitionIndexOf(record, options.pageviewPartitions);
    const recordBytes = valueBytes + options.overheadBytes(record);
    if (sizeBytes + recordBytes > options.pieceBytes) cut(i);
    sizeBytes += recordBytes;
  }
  if (from < records.length) cut(records.length);
  return pieces;
}
