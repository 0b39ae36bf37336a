/**
 * LMDB files of several databases, each written once in ascending key order, so that its B+ tree is packed, and then only
 * read. Everything written is also hashed in that order: such a hash is independent of how LMDB lays out its pages.
 *
 * Keys are raw bytes, at most 1,978 of them (LMDB's limit with pages of 4,096). `overlappingSync: false` always: with it
 * lmdb-js acknowledged a commit whose final write had failed.
 */
import { createHash, type Hash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { open, type Database, type RootDatabase } from 'lmdb';
import { asBuffer } from '../lib/as-buffer.js';
import { digestFile } from '../lib/files/digest.js';
import { fsyncFile } from '../lib/files/durable.js';
import { ByteReader, ByteWriter } from './bytes.js';
import type { FileSeal } from './meta.js';

const transactionBytes = 1 << 20;
const append = { append: true } as const;

export type SortedDb = Database<Buffer, Buffer>;

export interface SortedFile<Name extends string> {
  readonly root: RootDatabase;
  readonly dbs: Readonly<Record<Name, SortedDb>>;
}

/** A file that is whole and durable. */
export interface Sorted<Name extends string> {
  readonly seal: FileSeal;
  /** SHA-256 of each database: over (key length, key, value length, value) of every entry. */
  readonly hashes: Readonly<Record<Name, string>>;
}

/** For writing, LMDB does not sync: files are made from the master dataset and fsynced before they are published. */
export function openSorted<Name extends string>(
  path: string,
  names: readonly Name[],
  mode: 'read' | 'build',
): SortedFile<Name> {
  const root = open({
    path,
    noSubdir: true,
    pageSize: 4096,
    maxDbs: names.length,
    overlappingSync: false,
    noSync: mode === 'build',
    readOnly: mode === 'read',
  });
  return {
    root,
    dbs: recordOf(names, (name) => root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' })),
  };
}

/**
 * Appends to the databases of one file, a transaction per so many bytes. Entries wait in one buffer, in the form they are
 * hashed in: key length, key, value length, value.
 */
export class SortedFileWriter<Name extends string> {
  readonly #path: string;
  readonly #names: readonly Name[];
  readonly #file: SortedFile<Name>;
  readonly #hashes: Readonly<Record<Name, Hash>>;
  readonly #waiting = new ByteWriter(2 * transactionBytes);
  /** Which entries of `#waiting` are for which database, in order. */
  #runs: { readonly name: Name; readonly from: number }[] = [];
  #open = true;

  /** `path` must not exist. */
  constructor(path: string, names: readonly Name[]) {
    this.#path = path;
    this.#names = names;
    this.#file = openSorted(path, names, 'build');
    this.#hashes = recordOf(names, () => createHash('sha256'));
  }

  /** Copies key and value. Databases may interleave, but the keys of each must ascend. */
  add(name: Name, key: Uint8Array, value: Uint8Array): void {
    const waiting = this.#waiting;
    if (this.#runs.at(-1)?.name !== name) this.#runs.push({ name, from: waiting.length });
    waiting.varint(key.length);
    waiting.raw(key);
    waiting.varint(value.length);
    waiting.raw(value);
    if (waiting.length >= transactionBytes) this.#flush();
  }

  /** Makes the file durable. */
  async close(): Promise<Sorted<Name>> {
    this.#flush();
    await this.abandon();
    rmSync(`${this.#path}-lock`, { force: true });
    fsyncFile(this.#path);
    return {
      seal: { name: basename(this.#path), ...(await digestFile(this.#path)) },
      hashes: recordOf(this.#names, (name) => this.#hashes[name].digest('hex')),
    };
  }

  /** Closes the file, finished or not. */
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

function recordOf<Name extends string, T>(names: readonly Name[], make: (name: Name) => T): Record<Name, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>; // all names are there
}
