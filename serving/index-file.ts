/**
 * index.mdb: the LMDB file of a view. Databases, each written once in ascending key order (`append`), so that its
 * B+ tree is packed:
 *
 *   pages      page key            -> SubjectRecord      where the page's block lies in pages.dat
 *   domains    domain              -> SubjectRecord      the same in domains.dat
 *   visits     domain              -> (hour delta, visits, bounces)*       varints
 *   listing    domain 00 u32 chunk -> (pageviews, shared, length, rest)*   pages of the domain in key order; `shared`
 *                                                            characters are those of the URL before
 *   persons, ids                                         who is who (serving/identity.ts)
 *
 * Keys are raw UTF-8, so LMDB's order is the order of PersonIDs. A text of up to 1,900 bytes is its own key; LMDB
 * takes keys of at most 1,978, so a longer one (a URL) is cut there and followed by 00 and the hex SHA-256 of the whole.
 *
 * SubjectRecord: varints pageviews, block offset, block length, table length; then the name, length-prefixed, where
 * it must be listed (domains) or does not fit its key.
 */
import { createHash } from 'node:crypto';
import { open, type Database, type RootDatabase } from 'lmdb';

export const indexNames = ['pages', 'domains', 'visits', 'listing', 'persons', 'ids'] as const;
export type IndexName = (typeof indexNames)[number];

export type IndexDb = Database<Buffer, Buffer>;

export interface IndexFile {
  readonly root: RootDatabase;
  readonly dbs: Readonly<Record<IndexName, IndexDb>>;
}

/**
 * Opens the file. For writing, LMDB does not sync: the file is built from the master dataset and fsynced before it is
 * published. `overlappingSync: false` always: with it lmdb-js acknowledged a commit whose final write had failed.
 */
export function openIndex(path: string, mode: 'read' | 'build'): IndexFile {
  const root = open({
    path,
    noSubdir: true,
    pageSize: 4096,
    maxDbs: indexNames.length,
    overlappingSync: false,
    noSync: mode === 'build',
    readOnly: mode === 'read',
  });
  const db = (name: IndexName): IndexDb => root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' });
  return {
    root,
    dbs: {
      pages: db('pages'),
      domains: db('domains'),
      visits: db('visits'),
      listing: db('listing'),
      persons: db('persons'),
      ids: db('ids'),
    },
  };
}

/** Longest text, in UTF-8 bytes, that is its own key. */
export const longestPlainKey = 1900;

/**
 * The key of a URL, domain or id: its bytes, cut and hashed where LMDB could not hold them. Batch sorts pages by the
 * same expression in SQL.
 */
export function textKey(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= longestPlainKey) return bytes;
  const digest = createHash('sha256').update(bytes).digest('hex');
  return Buffer.concat([bytes.subarray(0, longestPlainKey), Buffer.of(0), Buffer.from(digest)]);
}

export function listingKey(domain: string, chunk: number): Buffer {
  const name = Buffer.from(domain);
  const key = Buffer.alloc(name.length + 5);
  name.copy(key);
  key.writeUInt32BE(chunk, name.length + 1);
  return key;
}
