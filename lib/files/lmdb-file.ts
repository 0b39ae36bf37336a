/**
 * Checks an LMDB file before LMDB opens it: LMDB maps the file and trusts it, so damage ends the process (SIGSEGV,
 * SIGBUS, SIGABRT). Every page that the newest transaction reaches is checked for what LMDB relies on: that it is in
 * its place, has the expected kind, and does not point outside the file. The meaning of keys and values is left to
 * their owner.
 *
 * Format (liblmdb as bundled with lmdb-js 3, data version 2, little-endian). The file begins with two meta pages; the
 * one with the higher transaction id is valid. All other pages form two trees, the free list and the main one:
 *
 *   page    number u64, transaction u64, pad u16, kind u16 (1 branch, 2 leaf, 4 overflow), lower u16, upper u16, then u16
 *           positions of its nodes; lower, upper and positions count from byte 24, and there are lower / 2 nodes
 *   node    size of the data, or the child's page in a branch: u32 (and the next u16), kind u16, size of the key u16,
 *           key, data; data too large for a page (kind 1) is: first page u64, transaction u64, number of pages u64
 *   meta    magic u32, version u32, address u64, map size u64, two trees, last page u64, transaction u64
 *   tree    page size u32 (of the free list), kind u16, depth u16, three counts u64, entries u64, root page u64
 *
 * A writer may be running: it never modifies pages that the newest transaction reaches, so a finding holds unless a
 * newer transaction has been committed since; then the check starts again.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readAt } from './read-at.js';
import { messageOf, systemCode } from '../errors/errors.js';

const magic = 0xbeefc0de;
const version = 2;
const headerBytes = 24;
const nodeBytes = 8;
const metaAt = {
  magic: 24,
  version: 28,
  pageSize: 48,
  freeTree: 48,
  mainTree: 96,
  lastPage: 144,
  transaction: 152,
};
const inTree = { kind: 4, depth: 6, root: 40 };
/** The kind of a tree whose keys are integers, as those of the free list are. */
const integerKeys = 8;
const noPage = 2n ** 64n - 1n;
const kinds = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
const nodeKinds = { overflow: 1 } as const;
/** Maximum number of attempts. A file that changes faster has a writer, which has checked it. */
const maxAttempts = 20;

/** Returns the bytes of an LMDB file without records, as LMDB itself would write them. */
export function emptyLmdbFile(): Uint8Array {
  const pageSize = 4_096;
  const file = Buffer.alloc(2 * pageSize);
  for (const number of [0, 1]) {
    const page = file.subarray(number * pageSize);
    page.writeUInt8(number, 0);
    page.writeUInt16LE(kinds.meta, 18);
    page.writeUInt32LE(magic, metaAt.magic);
    page.writeUInt32LE(version, metaAt.version);
    page.writeUInt32LE(pageSize, metaAt.pageSize);
    page.writeUInt16LE(integerKeys, metaAt.freeTree + inTree.kind);
    page.writeBigUInt64LE(noPage, metaAt.freeTree + inTree.root);
    page.writeBigUInt64LE(noPage, metaAt.mainTree + inTree.root);
    page.writeBigUInt64LE(1n, metaAt.lastPage);
  }
  return file;
}

/**
 * Returns a description of the damage; undefined if LMDB can open the file and read and write all of it. Reads the
 * whole file.
 * @param shallow checks only the two meta pages: for a file in use by a process that has checked all of it
 */
export function lmdbDamage(path: string, shallow = false): string | undefined {
  return inspect(path, { shallow }, () => undefined);
}

/** Returns what is wrong with the lock file in `dir`; undefined if LMDB can use it: its content does not matter. */
export function lockFileDamage(dir: string): string | undefined {
  const stat = statSync(join(dir, 'lock.mdb'), { throwIfNoEntry: false });
  return stat === undefined || stat.isFile() ? undefined : 'it is not a file';
}

/** Receives the records of a file in one pass. An error it throws is reported as damage. */
export interface RecordVisitor {
  /** Called for each record of the main tree, in no particular order. The buffers are valid only during the call. */
  record(key: Buffer, value: Buffer): void;
  /** Called after the last record. */
  end(): void;
}

/**
 * Like `lmdbDamage`, and also visits all records of the newest transaction. Does not use LMDB, which would create files
 * and take locks. If a writer commits meanwhile, the pass starts again, at most three times.
 * @param begin called at the start of each pass
 */
export function lmdbRecords(path: string, begin: () => RecordVisitor): string | undefined {
  return inspect(path, { attempts: 3 }, begin);
}

/**
 * Returns the value under `key` in the newest transaction, if it is the lowest key; undefined if it is not, or the file
 * is missing, empty or damaged. Does not use LMDB either, so it can read a file that its owner is about to replace.
 * Reads one page per level of the tree.
 */
export function lmdbFirstValue(path: string, key: Uint8Array): Buffer | undefined {
  let first: Buffer | undefined;
  const damage = inspect(path, { firstRecordOnly: true }, () => {
    first = undefined;
    return {
      record: (found, value) => void (first = found.equals(key) ? Buffer.from(value) : undefined),
      end: () => undefined,
    };
  });
  return damage === undefined ? first : undefined;
}

interface Extent {
  /** Check only the two meta pages. */
  readonly shallow?: boolean;
  /** Visit only the path to the first record of the main tree. */
  readonly firstRecordOnly?: boolean;
  readonly attempts?: number;
}

function inspect(
  path: string,
  { shallow = false, firstRecordOnly = false, attempts = maxAttempts }: Extent,
  begin: () => RecordVisitor | undefined,
): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    return systemCode(error) === 'ENOENT'
      ? 'it is missing'
      : `it cannot be read (${systemCode(error) ?? 'error'})`;
  }
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const before = readMeta(fd);
      if (typeof before === 'string') return before;
      const visitor = begin();
      const finding =
        before === undefined || shallow ? undefined : new Walk(fd, before, visitor, firstRecordOnly).run();
      if (before === undefined || (finding === undefined && visitor === undefined)) return undefined;
      const after = readMeta(fd);
      if (typeof after === 'object' && after.transaction === before.transaction) return finding;
    }
    return undefined;
  } catch (error) {
    return `it cannot be read (${systemCode(error) ?? 'error'})`;
  } finally {
    closeSync(fd);
  }
}

interface Meta {
  readonly transaction: bigint;
  readonly pageSize: number;
  readonly lastPage: bigint;
  readonly trees: readonly { readonly name: string; readonly root: bigint; readonly depth: number }[];
}

/**
 * Reads the newest meta page. Returns a description of damage, or undefined for an empty file, which LMDB will
 * initialise.
 */
function readMeta(fd: number): Meta | string | undefined {
  const { size } = fstatSync(fd);
  if (!fstatSync(fd).isFile()) return 'it is not a file';
  if (size === 0) return undefined;
  const first = readAt(fd, 0, 4_096);
  const pageSize = first.length < 4_096 ? 0 : first.readUInt32LE(metaAt.pageSize);
  if (first.length < 4_096) return `it ends at byte ${size}, within its first page`;
  if (first.readUInt32LE(metaAt.magic) !== magic) return 'its first page is not LMDB’s';
  if (pageSize < 4_096 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0)
    return `it says its pages have ${pageSize} bytes`;
  const second = readAt(fd, pageSize, 4_096);
  if (second.length < 4_096) return `it ends at byte ${size}, within its second page`;
  for (const [number, page] of [first, second].entries()) {
    if (page.readUInt32LE(metaAt.magic) !== magic) return `page ${number} is not LMDB’s`;
    if (page.readUInt32LE(metaAt.version) !== version) return `page ${number} is of another version of LMDB`;
    if (page.readUInt32LE(metaAt.pageSize) !== pageSize) return 'its two meta pages differ in page size';
  }
  const newest =
    second.readBigUInt64LE(metaAt.transaction) > first.readBigUInt64LE(metaAt.transaction) ? second : first;
  const tree = (name: string, at: number): Meta['trees'][number] => ({
    name,
    root: newest.readBigUInt64LE(at + inTree.root),
    depth: newest.readUInt16LE(at + inTree.depth),
  });
  const trees = [tree('free list', metaAt.freeTree), tree('main tree', metaAt.mainTree)];
  const cutOff = trees.find(({ root }) => root !== noPage && (root + 1n) * BigInt(pageSize) > BigInt(size));
  if (cutOff !== undefined) return `it ends at byte ${size}, before its ${cutOff.name}`;
  return {
    transaction: newest.readBigUInt64LE(metaAt.transaction),
    pageSize,
    lastPage: newest.readBigUInt64LE(metaAt.lastPage),
    trees,
  };
}

/** Checks all pages that a meta page reaches. Needs one bit of memory per page of the file. */
class Walk {
  readonly #fd: number;
  readonly #meta: Meta;
  readonly #pageCount: number;
  readonly #seen: Uint8Array;
  readonly #visitor: RecordVisitor | undefined;
  readonly #firstRecordOnly: boolean;
  #finding: string | undefined;

  constructor(fd: number, meta: Meta, visitor: RecordVisitor | undefined, firstRecordOnly: boolean) {
    this.#firstRecordOnly = firstRecordOnly;
    this.#fd = fd;
    this.#meta = meta;
    this.#visitor = visitor;
    this.#pageCount = Math.floor(fstatSync(fd).size / meta.pageSize);
    this.#seen = new Uint8Array(Math.ceil(this.#pageCount / 8) + 1);
  }

  run(): string | undefined {
    for (const { name, root, depth } of this.#meta.trees) {
      if (root === noPage || (this.#firstRecordOnly && name === 'free list')) continue;
      if (depth < 1 || depth > 32) this.#say(`its ${name} has a depth of ${depth}`);
      else this.#page(root, depth, `its ${name}`, name);
    }
    if (this.#finding === undefined) this.#visit('', () => this.#visitor?.end());
    return this.#finding;
  }

  #say(finding: string): void {
    this.#finding ??= finding;
  }

  /** Marks pages as used. Returns false, with a finding, if they are outside the file or already used. */
  #take(page: bigint, count: bigint, what: string): boolean {
    if (
      page < 2n ||
      count < 1n ||
      page + count - 1n > this.#meta.lastPage ||
      page + count > this.#pageCount
    ) {
      this.#say(`${what} names page ${page}, which the file does not have`);
      return false;
    }
    for (let number = Number(page); number < Number(page + count); number++) {
      const bit = 1 << (number & 7);
      if (((this.#seen[number >>> 3] ?? 0) & bit) !== 0) {
        this.#say(`page ${number} is used twice`);
        return false;
      }
      this.#seen[number >>> 3] = (this.#seen[number >>> 3] ?? 0) | bit;
    }
    return true;
  }

  #page(number: bigint, depth: number, from: string, tree: string): void {
    if (this.#finding !== undefined || !this.#take(number, 1n, from)) return;
    const { pageSize } = this.#meta;
    const page = readAt(this.#fd, Number(number) * pageSize, pageSize);
    const name = `page ${number}`;
    const kind = page.length < pageSize ? 0 : page.readUInt16LE(18) & 0xff;
    const lower = page.length < pageSize ? 0 : page.readUInt16LE(20);
    const upper = page.length < pageSize ? 0 : page.readUInt16LE(22);
    if (page.length < pageSize || page.readBigUInt64LE(0) !== number)
      return this.#say(`${name} is not what it should be`);
    if (kind !== (depth > 1 ? kinds.branch : kinds.leaf)) return this.#say(`${name} is of kind ${kind}`);
    const count = lower >>> 1;
    if ((lower & 1) !== 0 || lower > upper || upper > pageSize - headerBytes || count < (depth > 1 ? 2 : 1))
      return this.#say(`${name} has wrong bounds`);
    const end = this.#firstRecordOnly ? 1 : count;
    for (let i = 0; i < end && this.#finding === undefined; i++) {
      const at = headerBytes + page.readUInt16LE(headerBytes + 2 * i);
      const keyEnd = at + nodeBytes + (at + nodeBytes <= pageSize ? page.readUInt16LE(at + 6) : pageSize);
      if (at < headerBytes + upper || keyEnd > pageSize) return this.#say(`${name} has a node outside of it`);
      if (depth > 1) {
        const child = BigInt(page.readUInt32LE(at)) | (BigInt(page.readUInt16LE(at + 4)) << 32n);
        this.#page(child, depth - 1, name, tree);
      } else this.#leafNode(page, at, keyEnd, name, tree);
    }
  }

  #leafNode(page: Buffer, at: number, dataAt: number, name: string, tree: string): void {
    const { pageSize } = this.#meta;
    const size = page.readUInt32LE(at);
    const kind = page.readUInt16LE(at + 4);
    if (kind === nodeKinds.overflow) {
      if (dataAt + 24 > pageSize) return this.#say(`${name} has a node outside of it`);
      const first = page.readBigUInt64LE(dataAt);
      const count = page.readBigUInt64LE(dataAt + 16);
      if (BigInt(size) + BigInt(headerBytes) > count * BigInt(pageSize))
        return this.#say(`${name} names ${count} pages for ${size} bytes`);
      if (!this.#take(first, count, name)) return;
      const head = readAt(this.#fd, Number(first) * pageSize, headerBytes);
      if (
        head.length < headerBytes ||
        head.readBigUInt64LE(0) !== first ||
        (head.readUInt16LE(18) & 0xff) !== kinds.overflow
      )
        return this.#say(`page ${first} is not what it should be`);
      if (tree !== 'free list' && this.#visitor === undefined) return;
      const data = readAt(this.#fd, Number(first) * pageSize + headerBytes, size);
      if (tree === 'free list') this.#freePages(data, name);
      else this.#record(page.subarray(at + nodeBytes, dataAt), data, name);
      return;
    }
    if (kind !== 0) return this.#say(`${name} has a node of kind ${kind}`);
    if (dataAt + size > pageSize) return this.#say(`${name} has a node outside of it`);
    const data = page.subarray(dataAt, dataAt + size);
    if (tree === 'free list') this.#freePages(data, name);
    else this.#record(page.subarray(at + nodeBytes, dataAt), data, name);
  }

  #record(key: Buffer, value: Buffer, name: string): void {
    this.#visit(`${name}: `, () => this.#visitor?.record(key, value));
  }

  #visit(where: string, visit: () => void): void {
    try {
      visit();
    } catch (error) {
      this.#say(`${where}${messageOf(error)}`);
    }
  }

  /**
   * Checks a list of free pages: the number of entries, then i64 entries, each a page, zero for none, or -n followed by
   * the first of n pages. LMDB will write to free pages, so none may be in use.
   */
  #freePages(list: Buffer, name: string): void {
    const count = list.length < 8 ? -1n : list.readBigInt64LE(0);
    if (count < 0n || (count + 1n) * 8n > BigInt(list.length))
      return this.#say(`${name} holds a free list of wrong size`);
    const end = Number(count + 1n) * 8;
    for (let at = 8; at < end; at += 8) {
      const entry = list.readBigInt64LE(at);
      if (entry === 0n) continue;
      const isBlock = entry < 0n;
      if (isBlock) at += 8;
      const page = !isBlock ? entry : at < end ? list.readBigInt64LE(at) : 0n;
      this.#takeFree(page, isBlock ? -entry : 1n, name);
      if (this.#finding !== undefined) return;
    }
  }

  /** Marks free pages as used. They may lie beyond the end of the file. */
  #takeFree(page: bigint, count: bigint, name: string): void {
    if (page < 2n || page + count - 1n > this.#meta.lastPage)
      return this.#say(`${name} lists page ${page} as free, which the file does not have`);
    const end = page + count < BigInt(this.#pageCount) ? page + count : BigInt(this.#pageCount);
    if (page < end) this.#take(page, end - page, name);
  }
}
