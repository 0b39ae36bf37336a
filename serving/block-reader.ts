/**
 * Reads the blocks of one cell file: finds the bytes that a query needs, reads them in few calls, and decodes the cells. The memory of a cell is
 * valid only during the callback. Calls may nest (each has its own buffers).
 */
import { SwaError } from '../lib/errors/errors.js';
import type { BucketWidth, Span } from '../lib/time/buckets.js';
import type { BucketCell } from '../facts/views/view.js';
import { BlockTable, type BlockLocation } from './arrays/block-table.js';
import { ByteReader } from './arrays/bytes.js';
import type { RandomFile } from './checked-file.js';
import { CellReader } from './arrays/cells.js';
import { DerivedCell } from './arrays/derived-cell.js';

/** Blocks up to this size are read whole. */
const smallBlockBytes = 16 * 1024;
/** Maximum size of one read of a larger block, unless a single day is larger. */
const runBytes = 256 * 1024;
/** Maximum number of tables in memory, of 20 bytes per day each. */
const tablesKept = 1024;

export type OnCell = (cell: BucketCell) => void;
type OnRead = (cell: CellReader) => void;

/** One cell file, with cached tables of its large blocks and a pool of workspaces. */
export class BlockReader {
  readonly #file: RandomFile;
  readonly #lgK: number;
  readonly #width: BucketWidth;
  readonly #tables = new Map<number, BlockTable>();
  readonly #workspaces: Workspace[] = [];

  constructor(file: RandomFile, lgK: number, width: BucketWidth) {
    this.#file = file;
    this.#lgK = lgK;
    this.#width = width;
  }

  forEachBucket(location: BlockLocation, span: Span, from: number, to: number, onCell: OnCell): void {
    const workspace = this.#workspaces.pop() ?? new Workspace(this.#file, this.#lgK, this.#width);
    try {
      const table = this.#open(location, workspace);
      if (span === 'base') workspace.buckets(table, from, to, onCell);
      else if (table.isFlat) workspace.deriveRuns(table, span, from, to, onCell);
      else workspace.stored(table, span, from, to, onCell);
    } finally {
      this.#workspaces.push(workspace);
    }
  }

  close(): void {
    this.#file.close();
  }

  #open(location: BlockLocation, workspace: Workspace): BlockTable {
    const small = location.length <= smallBlockBytes;
    const block = small ? workspace.load(location.offset, location.length) : undefined;
    const known = this.#tables.get(location.offset);
    if (known !== undefined) return known;
    const table = new BlockTable(
      block ?? workspace.readAside(location.offset, location.tableLength),
      location,
    );
    if (table.isFlat) return table;
    if (this.#tables.size >= tablesKept) this.#tables.delete(this.#tables.keys().next().value ?? 0);
    this.#tables.set(location.offset, table);
    return table;
  }
}

/** Buffers of one call: bytes of the block, and decoded cells. */
class Workspace {
  readonly #file: RandomFile;
  readonly #width: BucketWidth;
  readonly #cell: CellReader;
  readonly #derived: DerivedCell;
  #buffer = new Uint8Array(smallBlockBytes);
  /** Range of the cell file that `#buffer` holds. */
  #from = 0;
  #to = 0;

  constructor(file: RandomFile, lgK: number, width: BucketWidth) {
    this.#file = file;
    this.#width = width;
    this.#cell = new CellReader(lgK);
    this.#derived = new DerivedCell(lgK);
  }

  forget(): void {
    this.#to = this.#from;
  }

  /** Reads [offset, offset + length) of the cell file and keeps it, because the reads of one query often want the same block again. */
  load(offset: number, length: number): Uint8Array {
    if (offset !== this.#from || offset + length !== this.#to) {
      if (length > this.#buffer.length)
        this.#buffer = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      this.forget(); // the buffer is invalid if the read fails
      this.#file.read(this.#buffer.subarray(0, length), offset);
      this.#from = offset;
      this.#to = offset + length;
    }
    return this.#buffer.subarray(0, length);
  }

  readAside(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#file.read(bytes, offset);
    return bytes;
  }

  /** Visits the base cells in [from, to). */
  buckets(table: BlockTable, from: number, to: number, onCell: OnRead): void {
    if (table.isFlat) {
      const reader = this.#reader(table.bucketsFrom, table.bucketsTo);
      this.#cells(reader, 0, from, to, onCell);
      return;
    }
    let i = table.firstDay(this.#width.dayOf(from));
    while (i < table.dayCount && table.day(i) * this.#width.perDay < to) {
      const end = this.#runEnd(table, i, to);
      const start = table.bucketBytesFrom(i);
      const run = this.#reader(start, table.bucketBytesFrom(end));
      const shift = run.position - start;
      for (; i < end; i++) {
        const dayBytes = new ByteReader(
          run.bytes,
          table.bucketBytesFrom(i) + shift,
          table.bucketBytesFrom(i + 1) + shift,
        );
        if (!this.#cells(dayBytes, table.day(i) * this.#width.perDay, from, to, onCell)) return;
      }
    }
  }

  /** Visits days or months in [from, to): stored cells, or unions of base cells where none is stored. */
  stored(table: BlockTable, span: 'day' | 'month', from: number, to: number, onCell: OnCell): void {
    const column = table.column(span);
    let i = column.first(from);
    while (i < column.count && column.bucket(i) < to) {
      if (column.isDerived(i)) {
        const bucket = column.bucket(i++);
        this.deriveRuns(table, span, bucket, bucket + 1, onCell);
        continue;
      }
      let end = i + 1;
      while (
        end < column.count &&
        column.bucket(end) < to &&
        !column.isDerived(end) &&
        column.bytesFrom(end + 1) - column.bytesFrom(i) <= runBytes
      ) {
        end++;
      }
      const reader = this.#reader(column.bytesFrom(i), column.bytesFrom(end));
      for (; i < end; i++) {
        this.#cell.read(reader, column.bucket(i));
        onCell(this.#cell);
      }
    }
  }

  /** Visits days or months in [from, to) as unions of base cells; for flat blocks and cells that are not stored. */
  deriveRuns(table: BlockTable, span: 'day' | 'month', from: number, to: number, onCell: OnCell): void {
    const derived = this.#derived;
    derived.begin(-1);
    const width = this.#width;
    let endBucket = -1;
    const emit = (): void => {
      if (derived.bucket >= 0) onCell(derived);
    };
    this.buckets(table, width.basesOf(span, from).from, width.basesOf(span, to).from, (cell) => {
      if (cell.bucket >= endBucket) {
        emit();
        const bucket = width.bucketOf(span, cell.bucket);
        derived.begin(bucket);
        endBucket = width.basesOf(span, bucket).to;
      }
      if (!derived.add(cell)) {
        throw new SwaError(
          'view.corrupt',
          `${span} ${derived.bucket} has too many people for a cell that is not stored`,
        );
      }
    });
    emit();
  }

  /** Visits the cells of a run in [from, to); false once the run has passed `to`. */
  #cells(reader: ByteReader, base: number, from: number, to: number, onCell: OnRead): boolean {
    const cell = this.#cell;
    let last = base;
    while (!reader.done) {
      last = cell.head(reader, last);
      if (last >= to) return false;
      if (last < from) {
        cell.skip(reader);
        continue;
      }
      cell.body(reader, last);
      onCell(cell);
    }
    return true;
  }

  /** End of the days from `i` on that are read at once: at least one day, then up to `runBytes`. */
  #runEnd(table: BlockTable, i: number, toBucket: number): number {
    let end = i + 1;
    while (
      end < table.dayCount &&
      table.day(end) * this.#width.perDay < toBucket &&
      table.bucketBytesFrom(end + 1) - table.bucketBytesFrom(i) <= runBytes
    ) {
      end++;
    }
    return end;
  }

  /** A reader over [from, to) of the cell file: from memory if loaded, otherwise by one pread. */
  #reader(from: number, to: number): ByteReader {
    if (from < this.#from || to > this.#to) {
      const loaded = this.load(from, to - from);
      this.forget();
      return new ByteReader(loaded);
    }
    return new ByteReader(this.#buffer, from - this.#from, to - this.#from);
  }
}
