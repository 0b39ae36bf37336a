/**
 * Writes one view into a directory of its own, in one pass and in key order: pages, domains, visits, listings and persons
 * may interleave, but each must come ascending in UTF-8 byte order of its keys. Everything written is also
 * hashed in that order, which is the view's content hash: independent of how LMDB lays out its pages.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { asBuffer } from '../lib/as-buffer.js';
import { fsyncDir, fsyncFile, writeFully } from '../lib/files/durable.js';
import type { PackedTexts } from '../lib/packed-texts.js';
import type { ViewMeta } from '../lib/views/view.js';
import type { BlockPlace } from './cell-file.js';
import { ByteReader, ByteWriter, sharedPrefix } from './bytes.js';
import { IdentityWriter } from './identity.js';
import { indexNames, listingKey, openIndex, textKey, type IndexFile, type IndexName } from './index-file.js';
import { fileNames, formatVersion, makeViewId } from './layout.js';
import { formatMeta, type FileSeal, type StoredMeta } from './meta.js';

const listingChunkBytes = 32 * 1024;
const transactionBytes = 1 << 20;
const append = { append: true } as const;

/** What `finish` adds the content to. */
export type MetaBase = Omit<ViewMeta, 'id' | 'contentHash'>;

export class ViewWriter {
  readonly #dir: string;
  readonly #index: IndexAppender;
  readonly #identity: IdentityWriter;
  readonly #record = new ByteWriter();
  readonly #list = new ByteWriter(2 * listingChunkBytes);
  #listDomain: string | undefined;
  #listChunk = 0;
  /** The URL listed last in this chunk. */
  #listed = '';

  /** Starts an empty view in `dir`, which must not exist. */
  constructor(dir: string) {
    mkdirSync(dir);
    this.#dir = dir;
    this.#index = new IndexAppender(openIndex(join(dir, fileNames.index), 'build'));
    this.#identity = new IdentityWriter((name, key, value) => this.#index.add(name, key, value));
  }

  /** A page whose block is, or will be, at `place` of pages.dat. */
  page(url: string, place: BlockPlace): void {
    this.#subject('pages', url, place);
  }

  /** A domain whose block is, or will be, at `place` of domains.dat. */
  domain(domain: string, place: BlockPlace): void {
    this.#subject('domains', domain, place);
  }

  /** Visits of a domain: (hour delta, visits, bounces) varints (serving/visits.ts). */
  visits(domain: string, encoded: Uint8Array): void {
    this.#index.add('visits', textKey(domain), encoded);
  }

  /** One page of a domain's listing; all pages of a domain come together. */
  listPage(domain: string, url: string, pageviews: number): void {
    if (domain !== this.#listDomain) this.#endListing(domain);
    const shared = sharedPrefix(this.#listed, url);
    this.#list.varint(pageviews);
    this.#list.varint(shared);
    this.#list.text(url.slice(shared));
    this.#listed = url;
    if (this.#list.length >= listingChunkBytes) this.#flushListing();
  }

  /**
   * The numbers of all ids of a person of two or more, ascending in UTF-8 byte order; persons in order of their first
   * ids.
   */
  person(ids: PackedTexts, numbers: Iterable<number>): void {
    this.#identity.person(ids, numbers);
  }

  /** Where the cells of all pages or domains are to be written, by a CellFile in whichever thread. */
  cellsPath(kind: 'pages' | 'domains'): string {
    return join(this.#dir, fileNames[kind]);
  }

  /**
   * Makes all files durable and returns META, written as well. The directory can then be renamed into place. `cells`
   * are the seals of the closed cell files.
   */
  async finish(
    base: MetaBase,
    cells: { readonly pages: FileSeal; readonly domains: FileSeal },
  ): Promise<StoredMeta> {
    this.#endListing(undefined);
    this.#identity.finish();
    await this.#index.close();
    const content = createHash('sha256').update(`lgK ${base.lgK}\n`);
    for (const seal of [cells.pages, cells.domains]) content.update(`${seal.name} ${seal.sha256}\n`);
    for (const name of indexNames) content.update(`${name} ${this.#index.hashOf(name)}\n`);
    const contentHash = content.digest('hex');
    const indexPath = join(this.#dir, fileNames.index);
    rmSync(`${indexPath}-lock`, { force: true });
    fsyncFile(indexPath);
    const meta: StoredMeta = {
      format: formatVersion,
      view: { id: makeViewId(base.number, contentHash), ...base, contentHash },
      files: [await sealOf(this.#dir, fileNames.index), cells.pages, cells.domains],
    };
    writeDurably(join(this.#dir, fileNames.meta), formatMeta(meta));
    fsyncDir(this.#dir);
    return meta;
  }

  /** Closes the files, finished or not. */
  async abandon(): Promise<void> {
    await this.#index.abandon();
  }

  #subject(name: 'pages' | 'domains', text: string, place: BlockPlace): void {
    const record = this.#record;
    record.clear();
    record.varint(place.pageviews);
    record.varint(place.offset);
    record.varint(place.length);
    record.varint(place.tableLength);
    const key = textKey(text);
    if (name === 'domains') record.text(text);
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
    this.#listed = '';
  }
}

/**
 * Appends to several databases, a transaction per so many bytes, hashing each database's entries in order. Entries wait in
 * one buffer, in the form they are hashed in: key length, key, value length, value.
 */
class IndexAppender {
  readonly #file: IndexFile;
  readonly #hashes: Readonly<Record<IndexName, Hash>>;
  readonly #digests = new Map<IndexName, string>();
  readonly #waiting = new ByteWriter(2 * transactionBytes);
  /** Which entries of `#waiting` are for which database, in order. */
  #runs: { readonly name: IndexName; readonly from: number }[] = [];
  #open = true;

  constructor(file: IndexFile) {
    this.#file = file;
    this.#hashes = {
      pages: createHash('sha256'),
      domains: createHash('sha256'),
      visits: createHash('sha256'),
      listing: createHash('sha256'),
      persons: createHash('sha256'),
      ids: createHash('sha256'),
    };
  }

  /** Copies key and value. */
  add(name: IndexName, key: Uint8Array, value: Uint8Array): void {
    const waiting = this.#waiting;
    if (this.#runs.at(-1)?.name !== name) this.#runs.push({ name, from: waiting.length });
    waiting.varint(key.length);
    waiting.raw(key);
    waiting.varint(value.length);
    waiting.raw(value);
    if (waiting.length >= transactionBytes) this.#flush();
  }

  /** SHA-256 over (key length, key, value length, value) of every entry; after `close`. */
  hashOf(name: IndexName): string {
    const digest = this.#digests.get(name) ?? this.#hashes[name].digest('hex');
    this.#digests.set(name, digest);
    return digest;
  }

  async close(): Promise<void> {
    this.#flush();
    await this.abandon();
  }

  async abandon(): Promise<void> {
    if (this.#open) await this.#file.root.close();
    this.#open = false;
  }

  #flush(): void {
    const { dbs, root } = this.#file;
    const bytes = this.#waiting.view();
    root.transactionSync(() => {
      this.#runs.forEach(({ name, from }, i) => {
        const run = bytes.subarray(from, this.#runs[i + 1]?.from);
        this.#hashes[name].update(run);
        const reader = new ByteReader(run);
        while (!reader.done) {
          const key = asBuffer(reader.raw(reader.varint()));
          dbs[name].putSync(key, asBuffer(reader.raw(reader.varint())), append);
        }
      });
    });
    this.#runs = [];
    this.#waiting.clear();
  }
}

/** Size and hash of a file as it is on disk now. */
export async function sealOf(dir: string, name: string): Promise<FileSeal> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of createReadStream(join(dir, name), { highWaterMark: 1 << 20 })) {
    const bytes = chunk as Buffer; // a stream without an encoding gives Buffers
    hash.update(bytes);
    sizeBytes += bytes.length;
  }
  return { name, sizeBytes, sha256: hash.digest('hex') };
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
