/**
 * Writes one view into a directory of its own: its index, in one pass and in key order (pages, domains, visits and
 * listings may interleave, but each must come ascending in UTF-8 byte order of its keys), and META over all files. Cells
 * and identity are written by whoever makes them, in whichever thread. The content hash is over what the files say.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncDir, writeFully } from '../lib/files/durable.js';
import type { ViewMeta } from '../facts/views/view.js';
import type { BlockPlace } from './arrays/block-table.js';
import type { FileSeal } from './checked-file.js';
import { ByteWriter } from './arrays/bytes.js';
import { sharedBytes } from './arrays/sorted-block.js';
import { identityNames, type IdentityName } from './identity.js';
import { indexNames, listingKey, type IndexName } from './index-file.js';
import { fileNames, formatVersion, makeViewId } from './layout.js';
import { formatMeta, type StoredMeta } from './meta.js';
import { SortedFileWriter, type Sorted } from './sorted-file.js';

const listingChunkBytes = 32 * 1024;

/** What `finish` adds the content to. */
export type MetaBase = Omit<ViewMeta, 'id' | 'contentHash'>;

/** The files of a view that others have written, whole and durable. */
export interface ViewParts {
  readonly identity: Sorted<IdentityName>;
  readonly pages: FileSeal;
  readonly domains: FileSeal;
}

export class ViewWriter {
  readonly #dir: string;
  readonly #index: SortedFileWriter<IndexName>;
  readonly #record = new ByteWriter();
  readonly #list = new ByteWriter(2 * listingChunkBytes);
  #listDomain: string | undefined;
  #listChunk = 0;
  /** The URL listed last in this chunk. */
  #listed: Uint8Array = new Uint8Array(0);

  /** Starts an empty view in `dir`, which must not exist. */
  constructor(dir: string) {
    mkdirSync(dir);
    this.#dir = dir;
    this.#index = new SortedFileWriter(join(dir, fileNames.index), indexNames);
  }

  /** A page whose block is, or will be, at `place` of pages.dat. */
  page(url: Uint8Array, place: BlockPlace): void {
    this.#subject('pages', url, place);
  }

  /** A domain whose block is, or will be, at `place` of domains.dat. */
  domain(domain: string, place: BlockPlace): void {
    this.#subject('domains', Buffer.from(domain), place);
  }

  /** Visits of a domain: (hour delta, visits, bounces) varints (serving/arrays/visits.ts). */
  visits(domain: string, encoded: Uint8Array): void {
    this.#index.add('visits', Buffer.from(domain), encoded);
  }

  /** One page, which is ASCII, of a domain's listing; all pages of a domain come together. Reads the URL before once more. */
  listPage(domain: string, url: Uint8Array, pageviews: number): void {
    if (domain !== this.#listDomain) this.#endListing(domain);
    const shared = sharedBytes(this.#listed, url);
    this.#list.varint(pageviews);
    this.#list.varint(shared);
    this.#list.prefixed(url, shared, url.length);
    this.#listed = url;
    if (this.#list.length >= listingChunkBytes) this.#flushListing();
  }

  /** Where the cells of all pages or domains are to be written, by a CellFile in whichever thread. */
  cellsPath(kind: 'pages' | 'domains'): string {
    return join(this.#dir, fileNames[kind]);
  }

  /** Where the persons are to be written, by `writeIdentity` in whichever thread. */
  get identityPath(): string {
    return join(this.#dir, fileNames.identity);
  }

  /** Makes the index durable and returns META, written as well. The directory can then be renamed into place. */
  async finish(base: MetaBase, { identity, pages, domains }: ViewParts): Promise<StoredMeta> {
    this.#endListing(undefined);
    const index = await this.#index.close();
    const content = createHash('sha256').update(`lgK ${base.lgK}\n`);
    for (const seal of [pages, domains]) content.update(`${seal.name} ${seal.sha256}\n`);
    for (const name of indexNames) content.update(`${name} ${index.hashes[name]}\n`);
    for (const name of identityNames) content.update(`${name} ${identity.hashes[name]}\n`);
    const contentHash = content.digest('hex');
    const meta: StoredMeta = {
      format: formatVersion,
      view: { id: makeViewId(base.number, contentHash), ...base, contentHash },
      files: [index.seal, identity.seal, pages, domains],
    };
    writeDurably(join(this.#dir, fileNames.meta), formatMeta(meta));
    fsyncDir(this.#dir);
    return meta;
  }

  /** Closes the files, finished or not. */
  abandon(): void {
    this.#index.abandon();
  }

  #subject(name: 'pages' | 'domains', key: Uint8Array, place: BlockPlace): void {
    const record = this.#record;
    record.clear();
    record.varint(place.pageviews);
    record.varint(place.offset);
    record.varint(place.length);
    record.varint(place.tableLength);
    this.#index.add(name, key, record.view());
  }

  #endListing(next: string | undefined): void {
    if (this.#list.length > 0) this.#flushListing();
    this.#listDomain = next;
    this.#listChunk = 0;
  }

  #flushListing(): void {
    const key = listingKey(this.#listDomain ?? '', this.#listChunk++);
    this.#index.add('listing', key, this.#list.view());
    this.#list.clear();
    this.#listed = new Uint8Array(0);
  }
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'wx');
  try {
    writeFully(fd, Buffer.from(text), 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
