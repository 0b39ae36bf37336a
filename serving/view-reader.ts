/**
 * Reads one published view. Opening maps two files and opens two more: milliseconds whatever the view's size. A point
 * read is one B+ tree look-up and one pread. Any number of processes may read; a view removed meanwhile stays readable
 * to those who have it open.
 */
import { join } from 'node:path';
import { SwaError, messageOf } from '../lib/errors.js';
import type { Span } from '../lib/time/buckets.js';
import type { BatchView, PageCount, Subject, ViewMeta, VisitCell } from '../lib/views/view.js';
import { BlockReader, type Visit } from './block-reader.js';
import { ByteReader } from './bytes.js';
import type { BlockPlace } from './cell-file.js';
import { identityNames, idsOfPerson, personIdOf, type IdentityName, type ReadIdentity } from './identity.js';
import { indexNames, listingKey, textKey, type IndexName } from './index-file.js';
import { fileNames, formatVersion } from './layout.js';
import { readMeta } from './meta.js';
import { openSorted, type SortedDb, type SortedFile } from './sorted-file.js';
import { forEachVisitHour } from './visits.js';

/**
 * Opens the view in `dir`. Throws `view.missing`, or `view.corrupt` when its files cannot be opened or are of another
 * version's format.
 */
export function openViewAt(dir: string): ViewReader {
  const { format, view: meta } = readMeta(dir);
  if (format !== formatVersion) {
    throw new SwaError(
      'view.corrupt',
      `the batch view at ${dir} has format ${format}, and this version reads format ${formatVersion}`,
      { hint: 'run a batch, which builds a new view from the master dataset' },
    );
  }
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
  readonly #files: readonly [SortedFile<IndexName>, SortedFile<IdentityName>];
  readonly #dbs: Readonly<Record<IndexName | IdentityName, SortedDb>>;
  readonly #cells: Readonly<Record<Subject['kind'], BlockReader>>;
  readonly #identity: ReadIdentity = (name, key) => this.#db(name).getBinaryFast(key);
  #found: { readonly subject?: Subject; readonly record?: BlockPlace | undefined } = {};
  #closed = false;

  constructor(dir: string, meta: ViewMeta) {
    this.meta = meta;
    const index = openSorted(join(dir, fileNames.index), indexNames, 'read');
    const identity = openSorted(join(dir, fileNames.identity), identityNames, 'read');
    this.#files = [index, identity];
    this.#dbs = { ...index.dbs, ...identity.dbs };
    this.#cells = {
      page: new BlockReader(join(dir, fileNames.pages), meta.lgK),
      domain: new BlockReader(join(dir, fileNames.domains), meta.lgK),
    };
  }

  forEachBucket(subject: Subject, span: Span, from: number, to: number, visit: Visit): void {
    const record = this.#record(subject);
    if (record === undefined || from >= to) return;
    this.#cells[subject.kind].forEachBucket(record, span, from, to, visit);
  }

  forEachVisitHour(domain: string, fromHour: number, toHour: number, visit: (cell: VisitCell) => void): void {
    const value = this.#db('visits').getBinary(textKey(domain));
    if (value !== undefined) forEachVisitHour(value, fromHour, toHour, visit);
  }

  *pages(domain: string): Iterable<PageCount> {
    const listing = this.#db('listing');
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
    for (const { value } of this.#db('domains').getRange({ snapshot: false })) {
      yield readSubject(value).name;
    }
  }

  personOf(visitor: string): string {
    return personIdOf(this.#identity, visitor) ?? visitor;
  }

  idsOf(person: string): readonly string[] {
    return idsOfPerson(this.#identity, person) ?? [person];
  }

  /** Pageviews of a subject over the whole view; 0 when it has none. */
  pageviewsOf(subject: Subject): number {
    return this.#record(subject)?.pageviews ?? 0;
  }

  /** Pageviews of every page or domain, in key order. */
  *subjectPageviews(name: 'pages' | 'domains'): Iterable<number> {
    for (const { value } of this.#db(name).getRange({ snapshot: false })) yield readSubject(value).pageviews;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cells.page.close();
    this.#cells.domain.close();
    for (const { root } of this.#files) root.close().catch(() => undefined); // read-only: nothing can be lost
  }

  #db(name: IndexName | IdentityName): SortedDb {
    if (this.#closed) throw new SwaError('internal.invariant', `batch view ${this.meta.id} is closed`);
    return this.#dbs[name];
  }

  /** The runs of one question ask for the same subject again. */
  #record(subject: Subject): BlockPlace | undefined {
    if (subject !== this.#found.subject) this.#found = { subject, record: this.#find(subject) };
    return this.#found.record;
  }

  #find(subject: Subject): BlockPlace | undefined {
    const value =
      subject.kind === 'page'
        ? this.#db('pages').getBinaryFast(textKey(subject.url))
        : this.#db('domains').getBinaryFast(textKey(subject.domain));
    return value === undefined ? undefined : readSubject(value);
  }
}

function readSubject(value: Uint8Array): BlockPlace & { readonly name: string } {
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
