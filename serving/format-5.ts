/**
 * Reads the parts of a format 5 view that an audit compares. Its index.mdb and identity.mdb are LMDB files, and its files have no checksums, so
 * the whole files must be checked against META first (serving/store.ts, `checkSeals`). Such a view answers no queries; it is read only to report
 * what is wrong with it.
 */
import { widthOf, type Span } from '../lib/time/buckets.js';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { readInto } from '../lib/files/read-at.js';
import type { Database, RootDatabase } from 'lmdb';
import { openLmdbReadOnly } from '../lib/files/lmdb-open.js';
import { SwaError } from '../lib/errors/errors.js';
import type { PageCount, Subject, ViewMeta } from '../facts/views/view.js';
import { BlockReader, type OnCell } from './block-reader.js';
import { ByteReader } from './arrays/bytes.js';
import { damageHint, type RandomFile } from './checked-file.js';
import { listingKey } from './index-file.js';
import { fileNames } from './layout.js';
import { readMeta } from './meta.js';
import { readSubject } from './view-reader.js';

type Db = Database<Buffer, Buffer>;

/** Maximum length of an LMDB key: a longer text was cut and followed by 00 and the hex SHA-256 of the whole. */
const longestPlainKey = 1900;

export class Format5View {
  readonly #roots: RootDatabase[] = [];
  readonly #pages: Db;
  readonly meta: ViewMeta;
  readonly #domains: Db;
  readonly #listing: Db;
  readonly #persons: Db;
  readonly #cells: BlockReader;

  /** @param dir a view whose META says format 5 and whose files match their seals */
  constructor(dir: string) {
    const { view } = readMeta(dir);
    this.meta = view;
    const index = this.#open(join(dir, 'index.mdb'));
    this.#pages = openDb(index, 'pages');
    this.#domains = openDb(index, 'domains');
    this.#listing = openDb(index, 'listing');
    this.#persons = openDb(this.#open(join(dir, 'identity.mdb')), 'persons');
    this.#cells = new BlockReader(
      new PlainFile(join(dir, fileNames.pages)),
      view.lgK,
      widthOf(view.bucketMinutes),
    );
  }

  /** Ascending in UTF-8 byte order, like `pages` and `persons`. */
  *domains(): Iterable<string> {
    for (const { key } of this.#domains.getRange({})) yield Buffer.from(key).toString('utf8');
  }

  *pages(domain: string): Iterable<PageCount> {
    for (let chunk = 0; ; chunk++) {
      const value = this.#listing.get(listingKey(domain, chunk));
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

  /** Supports pages only. */
  forEachBucket(subject: Subject, span: Span, from: number, to: number, onCell: OnCell): void {
    const record = subject.kind === 'page' ? this.#pages.get(textKey(subject.url)) : undefined;
    if (record !== undefined) this.#cells.forEachBucket(readSubject(record), span, from, to, onCell);
  }

  /** The ids of every person with two or more, ascending. */
  *persons(): Iterable<readonly string[]> {
    for (const { value } of this.#persons.getRange({})) {
      const reader = new ByteReader(value);
      const ids: string[] = [];
      let id = '';
      while (!reader.done) {
        id = id.slice(0, reader.varint()) + reader.text();
        ids.push(id);
      }
      yield ids;
    }
  }

  async close(): Promise<void> {
    this.#cells.close();
    for (const root of this.#roots) await root.close();
  }

  #open(path: string): RootDatabase {
    const root = openLmdbReadOnly(path, { maxDbs: 4 });
    this.#roots.push(root);
    return root;
  }
}

function openDb(root: RootDatabase, name: string): Db {
  return root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' });
}

function textKey(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= longestPlainKey) return bytes;
  const digest = createHash('sha256').update(bytes).digest('hex');
  return Buffer.concat([bytes.subarray(0, longestPlainKey), Buffer.of(0), Buffer.from(digest)]);
}

/** A file without checksums. */
class PlainFile implements RandomFile {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'r');
  }

  read(into: Uint8Array, offset: number): void {
    if (readInto(this.#fd, offset, into) < into.length)
      throw new SwaError('view.corrupt', `${this.#path} ends early`, { hint: damageHint });
  }

  close(): void {
    closeSync(this.#fd);
  }
}
