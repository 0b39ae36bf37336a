/**
 * Reads one published view. Opening reads META and the checksums of its files, which takes milliseconds whatever the view's size; the data are
 * checked piece by piece on first read (serving/checked-file.ts). A point read is one B+ tree look-up and one pread. Any number of processes may
 * read; a view that is removed stays readable for those who have it open.
 */
import { widthOf } from '../lib/time/buckets.js';
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { parseExclusionKey } from '../facts/exclusion-key.js';
import type { ExclusionRule } from '../facts/fact.js';
import type { Span } from '../lib/time/buckets.js';
import type { BatchView, PageCount, Subject, ValueCount, ViewMeta, VisitCell } from '../facts/views/view.js';
import { BlockReader, type OnCell } from './block-reader.js';
import { ByteReader } from './arrays/bytes.js';
import type { BlockLocation } from './arrays/block-table.js';
import { CheckedFile, damageHint, type FileSeal } from './checked-file.js';
import {
  allPersons,
  identityNames,
  idCountOfPerson,
  idsOfPerson,
  personIdOf,
  type IdentityName,
  type ReadIdentity,
} from './identity.js';
import { indexNamesOf, listingKey, valueKey, type IndexName } from './index-file.js';
import {
  cellsName,
  fileNames,
  firstWithExclusions,
  firstWithVisitLengths,
  kindOf,
  kindsOf,
  oldestReadable,
  type Kind,
} from './layout.js';
import { readMeta, type StoredMeta } from './meta.js';
import { SortedFile } from './sorted-file.js';
import { forEachVisitBucket } from './arrays/visits.js';

/**
 * Opens the view in `dir`. Throws `view.missing`, or `view.corrupt` if its files cannot be opened, are visibly damaged, or have another
 * version's format. Other damage is found when it is read: any method of the reader may throw `view.corrupt`.
 */
export function openViewAt(dir: string): ViewReader {
  const stored = readMeta(dir);
  if (stored.format < oldestReadable) {
    throw new SwaError(
      'view.corrupt',
      `the batch view at ${dir} has format ${stored.format}, but this version reads formats from ${oldestReadable} on`,
      { hint: 'run `swa batch run`: it builds a new view from the master dataset' },
    );
  }
  return new ViewReader(dir, stored);
}

export class ViewReader implements BatchView {
  readonly meta: ViewMeta;
  readonly #index: SortedFile<IndexName>;
  readonly #identity: SortedFile<IdentityName>;
  readonly #cells: ReadonlyMap<Kind, BlockReader>;
  /** In the order they were opened. */
  readonly #files: { close(): void }[] = [];
  readonly #readIdentity: ReadIdentity = (table, key) => {
    this.#checkOpen();
    return this.#identity.get(table, key);
  };
  #found: { readonly subject?: Subject; readonly record?: BlockLocation | undefined } = {};
  readonly #holdsExclusions: boolean;
  readonly #holdsVisitLengths: boolean;
  #closed = false;

  constructor(dir: string, { view: meta, files, format }: StoredMeta) {
    this.meta = meta;
    this.#holdsExclusions = format >= firstWithExclusions;
    this.#holdsVisitLengths = format >= firstWithVisitLengths;
    const open = <T extends { close(): void }>(
      name: string,
      from: (path: string, seal: FileSeal) => T,
    ): T => {
      const seal = files.find((file) => file.name === name);
      if (seal === undefined)
        throw new SwaError('view.corrupt', `META of ${dir} does not list ${name}`, { hint: damageHint });
      const file = from(join(dir, name), seal);
      this.#files.push(file);
      return file;
    };
    const cells = (path: string, seal: FileSeal): BlockReader =>
      new BlockReader(new CheckedFile(path, seal), meta.lgK, widthOf(meta.bucketMinutes));
    const dimensions = Object.keys(meta.counts.values);
    try {
      this.#index = open(
        fileNames.index,
        (path, seal) => new SortedFile(path, seal, indexNamesOf(dimensions, format)),
      );
      this.#identity = open(fileNames.identity, (path, seal) => new SortedFile(path, seal, identityNames));
      this.#cells = new Map(
        kindsOf(dimensions).map((kind): [Kind, BlockReader] => [kind, open(cellsName(kind), cells)]),
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  forEachBucket(subject: Subject, span: Span, from: number, to: number, onCell: OnCell): void {
    const record = this.#record(subject);
    if (record === undefined || from >= to) return;
    this.#cells.get(kindOfSubject(subject))?.forEachBucket(record, span, from, to, onCell);
  }

  forEachVisitBucket(
    domain: string,
    fromBucket: number,
    toBucket: number,
    visit: (cell: VisitCell) => void,
  ): void {
    this.#checkOpen();
    const value = this.#index.get('visits', Buffer.from(domain));
    if (value === undefined) return;
    forEachVisitBucket(value, { from: fromBucket, to: toBucket }, visit, this.#holdsVisitLengths);
  }

  *pages(domain: string): Iterable<PageCount> {
    for (let chunk = 0; ; chunk++) {
      this.#checkOpen();
      const value = this.#index.get('listing', listingKey(domain, chunk));
      if (value === undefined) return;
      const reader = new ByteReader(Buffer.from(value)); // a copy, because the caller looks up pages while iterating
      let url = '';
      while (!reader.done) {
        const pageviews = reader.varint();
        url = url.slice(0, reader.varint()) + reader.text();
        yield { url, pageviews };
      }
    }
  }

  *values(dimension: string, domain: string): Iterable<ValueCount> {
    this.#checkOpen();
    const kind = kindOf(dimension);
    if (!this.#cells.has(kind)) return;
    const prefix = valueKey(domain, '');
    for (const [key, record] of this.#index.entriesWith(kind, prefix))
      yield { value: key.toString('utf8', prefix.length), pageviews: readSubject(record).pageviews };
  }

  /** Ascending in UTF-8 byte order. */
  *domains(): Iterable<string> {
    this.#checkOpen();
    for (const key of this.#index.keys('domains')) yield key.toString('utf8');
  }

  personOf(visitor: string): string {
    return personIdOf(this.#readIdentity, visitor) ?? visitor;
  }

  idsOf(person: string, limit?: number): readonly string[] {
    return idsOfPerson(this.#readIdentity, person, limit) ?? [person];
  }

  idCountOf(person: string): number {
    return idCountOfPerson(this.#readIdentity, person) ?? 1;
  }

  exclusions(): readonly ExclusionRule[] {
    this.#checkOpen();
    if (!this.#holdsExclusions) return [];
    return Array.from(this.#index.keys('exclusions'), (key) => parseExclusionKey(key.toString('utf8')));
  }

  /** The ids of every person with two or more, ascending, in the order of their PersonIDs. */
  persons(): Iterable<readonly string[]> {
    this.#checkOpen();
    return allPersons(this.#identity.entries('persons'));
  }

  /** Pageviews of a subject over the whole view; 0 if it has none. */
  pageviewsOf(subject: Subject): number {
    return this.#record(subject)?.pageviews ?? 0;
  }

  /** Pageviews of every subject of a kind, in key order. */
  *subjectPageviews(kind: Kind): Iterable<number> {
    this.#checkOpen();
    for (const value of this.#index.values(kind)) yield readSubject(value).pageviews;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const file of this.#files) file.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new SwaError('internal.invariant', `batch view ${this.meta.id} is closed`);
  }

  /** Caches the last subject, because the reads of one query ask for the same one again. */
  #record(subject: Subject): BlockLocation | undefined {
    if (subject !== this.#found.subject) this.#found = { subject, record: this.#find(subject) };
    return this.#found.record;
  }

  #find(subject: Subject): BlockLocation | undefined {
    this.#checkOpen();
    const kind = kindOfSubject(subject);
    const value = this.#cells.has(kind) ? this.#index.get(kind, keyOf(subject)) : undefined;
    return value === undefined ? undefined : readSubject(value);
  }
}

function kindOfSubject(subject: Subject): Kind {
  if (subject.kind === 'value') return kindOf(subject.dimension);
  return subject.kind === 'page' ? 'pages' : 'domains';
}

function keyOf(subject: Subject): Buffer {
  if (subject.kind === 'value') return valueKey(subject.domain, subject.value);
  return Buffer.from(subject.kind === 'page' ? subject.url : subject.domain);
}

/** Decodes a SubjectRecord of the index. */
export function readSubject(value: Uint8Array): BlockLocation {
  const reader = new ByteReader(value);
  return {
    pageviews: reader.varint(),
    offset: reader.varint(),
    length: reader.varint(),
    tableLength: reader.varint(),
  };
}
