/**
 * Writes one view into its own directory: the index, in one pass in key order (pages, domains, values, visits and listings may interleave, but
 * the keys of each must ascend in UTF-8 byte order), and META, which covers all files. Cells and identity are written by the threads that make
 * them. The content hash covers the content of each kind, subject by subject, and not the layout of the files.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncDir, writeFully } from '../lib/files/durable.js';
import { exclusionKey } from '../facts/exclusion-key.js';
import { compareUtf8, type ExclusionRule } from '../facts/fact.js';
import type { ViewMeta } from '../facts/views/view.js';
import type { WrittenBlock } from './arrays/written-block.js';
import type { FileSeal } from './checked-file.js';
import { ByteWriter } from './arrays/bytes.js';
import { sharedBytes } from './arrays/sorted-block.js';
import { identityNames, type IdentityName } from './identity.js';
import { indexNamesOf, listingKey, valueKey, type IndexName } from './index-file.js';
import { cellsName, fileNames, formatVersion, kindOf, kindsOf, makeViewId, type Kind } from './layout.js';
import { formatMeta, type StoredMeta } from './meta.js';
import { SortedFileWriter, type Sorted } from './sorted-file.js';

const listingChunkBytes = 32 * 1024;

/** META without what `finish` adds. */
export type MetaBase = Omit<ViewMeta, 'id' | 'contentHash'>;

/** Files of a view that other threads have written, complete and durable. */
export interface ViewParts {
  readonly identity: Sorted<IdentityName>;
  /** Cell files by kind. */
  readonly cells: ReadonlyMap<Kind, FileSeal>;
}

export class ViewWriter {
  readonly #dir: string;
  readonly #kinds: readonly Kind[];
  readonly #index: SortedFileWriter<IndexName>;
  /** Hashes of key and content of each entry, in key order. */
  readonly #hashes: ReadonlyMap<IndexName, Hash>;
  readonly #record = new ByteWriter();
  readonly #content = new ByteWriter();
  readonly #list = new ByteWriter(2 * listingChunkBytes);
  #listDomain: string | undefined;
  #listChunk = 0;
  /** The URL that was listed last in this chunk. */
  #listed: Uint8Array = new Uint8Array(0);

  /** Starts an empty view in `dir`, which must not exist. */
  constructor(dir: string, dimensions: readonly string[]) {
    mkdirSync(dir);
    this.#dir = dir;
    this.#kinds = kindsOf(dimensions);
    this.#index = new SortedFileWriter(join(dir, fileNames.index), indexNamesOf(dimensions));
    this.#hashes = new Map(
      [...this.#kinds, 'visits' as const, 'exclusions' as const].map((name): [IndexName, Hash] => [
        name,
        createHash('sha256'),
      ]),
    );
  }

  /** Adds a page whose block is, or will be, in pages.dat. */
  page(url: Uint8Array, block: WrittenBlock): void {
    this.#subject('pages', url, block);
  }

  /** Adds a domain whose block is, or will be, in domains.dat. */
  domain(domain: string, block: WrittenBlock): void {
    this.#subject('domains', Buffer.from(domain), block);
  }

  /** Adds a value of a dimension of a domain whose block is, or will be, in the dimension's cell file. */
  value(dimension: string, domain: string, value: Uint8Array, block: WrittenBlock): void {
    this.#subject(kindOf(dimension), valueKey(domain, value), block);
  }

  /** Adds visits of a domain (serving/arrays/visits.ts). */
  visits(domain: string, encoded: Uint8Array): void {
    const key = Buffer.from(domain);
    this.#index.add('visits', key, encoded);
    this.#addContent('visits', key, encoded);
  }

  /** Adds all exclusions in force at the cut, without duplicates, in any order. */
  exclusions(rules: readonly ExclusionRule[]): void {
    for (const text of rules.map(exclusionKey).toSorted(compareUtf8)) {
      const key = Buffer.from(text);
      this.#index.add('exclusions', key, nothing);
      this.#addContent('exclusions', key, nothing);
    }
  }

  /** Adds a page (in ASCII) to a domain's listing; all pages of a domain come together. `url` must stay unchanged until the next call. */
  listPage(domain: string, url: Uint8Array, pageviews: number): void {
    if (domain !== this.#listDomain) this.#endListing(domain);
    const shared = sharedBytes(this.#listed, url);
    this.#list.varint(pageviews);
    this.#list.varint(shared);
    this.#list.prefixed(url, shared, url.length);
    this.#listed = url;
    if (this.#list.length >= listingChunkBytes) this.#flushListing();
  }

  /** Path of the cell file of a kind, to be written by a CellFile in any thread. */
  cellsPath(kind: Kind): string {
    return join(this.#dir, cellsName(kind));
  }

  /** Path of the persons, to be written by `writeIdentity` in any thread. */
  get identityPath(): string {
    return join(this.#dir, fileNames.identity);
  }

  /** Makes the index durable, writes META and returns it. The directory can then be renamed into place. */
  async finish(base: MetaBase, { identity, cells }: ViewParts): Promise<StoredMeta> {
    this.#endListing(undefined);
    const index = await this.#index.close();
    const content = createHash('sha256').update(`lgK ${base.lgK}\n`);
    // Left out for hours, the only width in earlier versions, so that equal content keeps its hash.
    if (base.bucketMinutes !== 60) content.update(`bucketMinutes ${base.bucketMinutes}\n`);
    for (const [name, hash] of this.#hashes) content.update(`${name} ${hash.digest('hex')}\n`);
    for (const name of identityNames) content.update(`${name} ${identity.hashes[name]}\n`);
    const contentHash = content.digest('hex');
    const meta: StoredMeta = {
      format: formatVersion,
      view: { id: makeViewId(base.number, contentHash), ...base, contentHash },
      files: [index.seal, identity.seal, ...this.#kinds.flatMap((kind) => cells.get(kind) ?? [])],
    };
    writeDurably(join(this.#dir, fileNames.meta), formatMeta(meta));
    fsyncDir(this.#dir);
    return meta;
  }

  /** Closes the files, whether they are finished or not. */
  abandon(): void {
    this.#index.abandon();
  }

  #subject(
    kind: Kind,
    key: Uint8Array,
    { pageviews, offset, length, tableLength, hash }: WrittenBlock,
  ): void {
    const record = this.#record;
    record.clear();
    record.varint(pageviews);
    record.varint(offset);
    record.varint(length);
    record.varint(tableLength);
    this.#index.add(kind, key, record.view());
    this.#addContent(kind, key, new Uint8Array(hash.buffer, hash.byteOffset, hash.byteLength));
  }

  #addContent(name: IndexName, key: Uint8Array, content: Uint8Array): void {
    this.#content.clear();
    this.#content.varint(key.length);
    this.#content.raw(key);
    this.#content.varint(content.length);
    this.#content.raw(content);
    this.#hashes.get(name)?.update(this.#content.view());
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

const nothing = new Uint8Array(0);

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'wx');
  try {
    writeFully(fd, Buffer.from(text), 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
