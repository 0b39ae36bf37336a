/**
 * Reads one published view. Opening maps the index and opens two files: milliseconds whatever the view's size. A point
 * read is one B+ tree look-up and one pread. Any number of processes may read; a view removed meanwhile stays readable
 * to those who have it open.
 *
 * The memory of a cell is valid only during the call that hands it out. Calls may nest (each has its own buffers).
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError, messageOf } from '../lib/errors.js';
import { bucketOf, hoursOf, type Span } from '../lib/time/buckets.js';
import type { BatchView, BucketCell, PageCount, Subject, ViewMeta, VisitCell } from '../lib/views/view.js';
import { BlockTable } from './block-table.js';
import { ByteReader } from './bytes.js';
import { CellReader, deriveLimitOf } from './cells.js';
import {
  listingKey,
  openIndex,
  textKey,
  type IndexDb,
  type IndexFile,
  type IndexName,
} from './index-file.js';
import { bucketKey, idsIn, personIn, personKey } from './identity.js';
import { fileNames } from './layout.js';
import { readMeta } from './meta.js';
import { sortUnique } from './union.js';

/** Blocks up to this size are read whole. */
const smallBlockBytes = 16 * 1024;
/** Longer runs of hours are read in pieces of about this size. */
const runBytes = 256 * 1024;
/** Tables of busy subjects kept in memory. */
const tablesKept = 256;

interface SubjectRecord {
  readonly pageviews: number;
  readonly offset: number;
  readonly length: number;
  readonly tableLength: number;
}

type Visit = (cell: BucketCell) => void;
type VisitRead = (cell: CellReader) => void;

/** Opens the view in `dir`. Throws `view.missing`, or `view.corrupt` when its files cannot be opened. */
export function openViewAt(dir: string): ViewReader {
  const meta = readMeta(dir).view;
  try {
    return new ViewReader(dir, meta);
  } catch (cause) {
    throw new SwaError('view.corrupt', `the batch view at ${dir} cannot be opened: ${messageOf(cause)}`, {
      cause,
      hint: 'roll back with `swa batch rollback`, or run a batch',
    });
  }
}

export class ViewReader implements BatchView {
  readonly meta: ViewMeta;
  readonly #index: IndexFile;
  readonly #cells: Readonly<Record<Subject['kind'], CellSource>>;
  #closed = false;

  constructor(dir: string, meta: ViewMeta) {
    this.meta = meta;
    this.#index = openIndex(join(dir, fileNames.index), 'read');
    this.#cells = {
      page: new CellSource(join(dir, fileNames.pages), meta.lgK),
      domain: new CellSource(join(dir, fileNames.domains), meta.lgK),
    };
  }

  forEachBucket(subject: Subject, span: Span, from: number, to: number, visit: Visit): void {
    const record = this.#record(subject);
    if (record === undefined || from >= to) return;
    this.#cells[subject.kind].forEachBucket(record, span, from, to, visit);
  }

  forEachVisitHour(domain: string, fromHour: number, toHour: number, visit: (cell: VisitCell) => void): void {
    const value = this.#dbs('visits').getBinary(textKey(domain));
    if (value === undefined) return;
    const reader = new ByteReader(value);
    let bucket = 0;
    while (!reader.done) {
      bucket += reader.varint();
      const visits = reader.varint();
      const bounces = reader.varint();
      if (bucket >= toHour) return;
      if (bucket >= fromHour) visit({ bucket, visits, bounces });
    }
  }

  *pages(domain: string): Iterable<PageCount> {
    const listing = this.#dbs('listing');
    for (let chunk = 0; ; chunk++) {
      const value = listing.getBinary(listingKey(domain, chunk));
      if (value === undefined) return;
      const reader = new ByteReader(value);
      let url = '';
      while (!reader.done) {
        const pageviews = reader.varint();
        url = url.slice(0, reader.varint()) + reader.text();
        yield { url, pageviews };
      }
    }
  }

  /** Ascending in UTF-8 byte order. */
  *domains(): Iterable<string> {
    for (const { value } of this.#dbs('domains').getRange({ snapshot: false })) {
      yield readSubject(value).name;
    }
  }

  personOf(visitor: string): string {
    const record = this.#personRecord(visitor);
    if (record === undefined) return visitor;
    for (const id of idsIn(record)) return id;
    return visitor;
  }

  idsOf(person: string): readonly string[] {
    const record = this.#personRecord(person);
    const ids = record === undefined ? [person] : [...idsIn(record)];
    return ids[0] === person ? ids : [person];
  }

  /** Pageviews of a subject over the whole view; 0 when it has none. */
  pageviewsOf(subject: Subject): number {
    return this.#record(subject)?.pageviews ?? 0;
  }

  /** Pageviews of every page or domain, in key order. */
  *subjectPageviews(name: 'pages' | 'domains'): Iterable<number> {
    for (const { value } of this.#dbs(name).getRange({ snapshot: false })) yield readSubject(value).pageviews;
  }

  /** Keys and values of one database in order, for verification and audits. */
  entries(name: IndexName): Iterable<{ key: Buffer; value: Buffer }> {
    return this.#dbs(name).getRange({ snapshot: false });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cells.page.close();
    this.#cells.domain.close();
    this.#index.root.close().catch(() => undefined); // read-only: nothing can be lost
  }

  #dbs(name: IndexName): IndexDb {
    if (this.#closed) throw new SwaError('internal.invariant', `batch view ${this.meta.id} is closed`);
    return this.#index.dbs[name];
  }

  /** What is stored of the person that a visitor id belongs to. */
  #personRecord(visitor: string): Buffer | undefined {
    const bucket = this.#dbs('ids').getBinaryFast(bucketKey(visitor));
    const person = bucket === undefined ? -1 : personIn(bucket, visitor);
    return person < 0 ? undefined : this.#dbs('persons').getBinaryFast(personKey(person));
  }

  #record(subject: Subject): SubjectRecord | undefined {
    const value =
      subject.kind === 'page'
        ? this.#dbs('pages').getBinaryFast(textKey(subject.url))
        : this.#dbs('domains').getBinaryFast(textKey(subject.domain));
    return value === undefined ? undefined : readSubject(value);
  }
}

/** One cell file: its descriptor, the tables of its busy blocks, and memory for calls. */
class CellSource {
  readonly #fd: number;
  readonly #lgK: number;
  readonly #tables = new Map<number, BlockTable>();
  readonly #workspaces: Workspace[] = [];

  constructor(path: string, lgK: number) {
    this.#fd = openSync(path, 'r');
    this.#lgK = lgK;
  }

  forEachBucket(record: SubjectRecord, span: Span, from: number, to: number, visit: Visit): void {
    const workspace = this.#workspaces.pop() ?? new Workspace(this.#fd, this.#lgK);
    try {
      const table = this.#open(record, workspace);
      if (span === 'hour') workspace.hours(table, from, to, visit);
      else if (table.isFlat) workspace.deriveRuns(table, span, from, to, visit);
      else workspace.stored(table, span, from, to, visit);
    } finally {
      this.#workspaces.push(workspace);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #open(record: SubjectRecord, workspace: Workspace): BlockTable {
    if (record.length <= smallBlockBytes) {
      return new BlockTable(workspace.load(record.offset, record.length), record);
    }
    workspace.forget();
    const known = this.#tables.get(record.offset);
    if (known !== undefined) return known;
    const table = new BlockTable(workspace.readAside(record.offset, record.tableLength), record);
    if (this.#tables.size >= tablesKept) this.#tables.delete(this.#tables.keys().next().value ?? 0);
    this.#tables.set(record.offset, table);
    return table;
  }
}

/** What one call needs of memory: the bytes of the block it reads, and decoded cells. */
class Workspace {
  readonly #fd: number;
  readonly #cell: CellReader;
  readonly #union: Uint32Array;
  #buffer = new Uint8Array(smallBlockBytes);
  /** The range of the cell file that `#buffer` holds. */
  #from = 0;
  #to = 0;

  constructor(fd: number, lgK: number) {
    this.#fd = fd;
    this.#cell = new CellReader(lgK);
    this.#union = new Uint32Array(deriveLimitOf(lgK));
  }

  forget(): void {
    this.#to = this.#from;
  }

  /** Reads [offset, offset + length) of the cell file and keeps it; the runs of one question read the same again. */
  load(offset: number, length: number): Uint8Array {
    if (offset !== this.#from || offset + length !== this.#to) {
      if (length > this.#buffer.length)
        this.#buffer = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      this.forget(); // a read that fails leaves nothing to go by
      preadFully(this.#fd, this.#buffer, offset, length);
      this.#from = offset;
      this.#to = offset + length;
    }
    return this.#buffer.subarray(0, length);
  }

  readAside(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    preadFully(this.#fd, bytes, offset, length);
    return bytes;
  }

  /** The hour cells of [from, to). */
  hours(table: BlockTable, from: number, to: number, visit: VisitRead): void {
    if (table.isFlat) {
      const reader = this.#reader(table.hoursFrom, table.hoursTo);
      this.#cells(reader, 0, from, to, visit);
      return;
    }
    let i = table.firstDay(bucketOf('day', from));
    while (i < table.dayCount && table.day(i) * 24 < to) {
      const end = this.#runEnd(table, i, to);
      const start = table.hourBytesFrom(i);
      const run = this.#reader(start, table.hourBytesFrom(end));
      const shift = run.position - start;
      for (; i < end; i++) {
        const dayBytes = new ByteReader(
          run.bytes,
          table.hourBytesFrom(i) + shift,
          table.hourBytesFrom(i + 1) + shift,
        );
        if (!this.#cells(dayBytes, table.day(i) * 24, from, to, visit)) return;
      }
    }
  }

  /** Stored cells of days or months in [from, to); those too small to be stored are united from their hours. */
  stored(table: BlockTable, span: 'day' | 'month', from: number, to: number, visit: Visit): void {
    const column = table.column(span);
    let i = column.first(from);
    while (i < column.count && column.bucket(i) < to) {
      if (column.isDerived(i)) {
        const bucket = column.bucket(i++);
        this.deriveRuns(table, span, bucket, bucket + 1, visit);
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
        visit(this.#cell);
      }
    }
  }

  /** Days or months in [from, to) united from hour cells; for flat blocks and buckets without a cell. */
  deriveRuns(table: BlockTable, span: 'day' | 'month', from: number, to: number, visit: Visit): void {
    const union = this.#union;
    let bucket = -1;
    let endHour = -1;
    let pageviews = 0;
    let length = 0;
    const emit = (): void => {
      if (bucket < 0) return;
      const kept = sortUnique(union, length);
      visit({ bucket, pageviews, sketch: { kind: 'coupons', coupons: union.subarray(0, kept) } });
    };
    this.hours(table, hoursOf(span, from).from, hoursOf(span, to).from, (cell) => {
      if (cell.bucket >= endHour) {
        emit();
        bucket = bucketOf(span, cell.bucket);
        endHour = hoursOf(span, bucket).to;
        pageviews = 0;
        length = 0;
      }
      if (!cell.copyCoupons(union, length)) {
        throw new SwaError(
          'view.corrupt',
          `${span} ${bucket} has no cell but more people than may be derived`,
        );
      }
      length += cell.couponCount;
      pageviews += cell.pageviews;
    });
    emit();
  }

  /** Visits the cells of a run that lie in [from, to); false when the run passed `to`. */
  #cells(reader: ByteReader, base: number, from: number, to: number, visit: VisitRead): boolean {
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
      visit(cell);
    }
    return true;
  }

  /** Days from `i` whose hours make one read: at least one day, then up to `runBytes`. */
  #runEnd(table: BlockTable, i: number, toHour: number): number {
    let end = i + 1;
    while (
      end < table.dayCount &&
      table.day(end) * 24 < toHour &&
      table.hourBytesFrom(end + 1) - table.hourBytesFrom(i) <= runBytes
    ) {
      end++;
    }
    return end;
  }

  /** A reader over [from, to) of the cell file: from memory when the block is loaded, else by one pread. */
  #reader(from: number, to: number): ByteReader {
    if (from < this.#from || to > this.#to) {
      const loaded = this.load(from, to - from);
      this.forget();
      return new ByteReader(loaded);
    }
    return new ByteReader(this.#buffer, from - this.#from, to - this.#from);
  }
}

function readSubject(value: Uint8Array): SubjectRecord & { readonly name: string } {
  const reader = new ByteReader(value);
  return {
    pageviews: reader.varint(),
    offset: reader.varint(),
    length: reader.varint(),
    tableLength: reader.varint(),
    get name() {
      return reader.text();
    },
  };
}

function preadFully(fd: number, into: Uint8Array, offset: number, length: number): void {
  let done = 0;
  while (done < length) {
    const count = readSync(fd, into, done, length - done, offset + done);
    if (count === 0) {
      throw new SwaError(
        'view.corrupt',
        `a cell file ends ${length - done} bytes early at offset ${offset + done}`,
      );
    }
    done += count;
  }
}
