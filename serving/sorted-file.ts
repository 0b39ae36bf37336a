/**
 * Files with several tables, each a static B+ tree of entries in key order, written once and then looked up by key. All tables are in one
 * checked file (serving/checked-file.ts), whose data are
 *
 *   data        blocks of all tables, in the order they were filled | directory
 *   block       serving/arrays/sorted-block.ts; in inner levels, keys are the first keys of blocks, values their places
 *   place       u48 offset | u32 length                     little-endian
 *   directory   per table: place of its root block | u8 levels above the leaves        length 0: no entries
 *
 * The writer also hashes the entries of each table in order: these hashes do not depend on the positions of blocks.
 */
import { createHash, type Hash } from 'node:crypto';
import { SwaError } from '../lib/errors/errors.js';
import { CheckedFile, CheckedWriter, type FileSeal } from './checked-file.js';
import { BlockMaker, SortedBlock } from './arrays/sorted-block.js';

/** Maximum size of a block, unless a single entry is larger. */
const blockBytes = 4 * 1024;
/** Maximum number of blocks per file in memory: 64 MB. */
const keptBlocks = 16 * 1024;
const blocksPerPart = 256;
const placeBytes = 10;
const rootBytes = placeBytes + 1;

interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

interface Root extends ByteRange {
  readonly levels: number;
}

/** A complete, durable file. */
export interface Sorted<Name extends string> {
  readonly seal: FileSeal;
  /** SHA-256 of each table: over (key length, key, value length, value) of every entry. */
  readonly hashes: Readonly<Record<Name, string>>;
}

export class SortedFileWriter<Name extends string> {
  readonly #names: readonly Name[];
  readonly #file: CheckedWriter;
  readonly #hashes: Readonly<Record<Name, Hash>>;
  readonly #levels: Readonly<Record<Name, TreeLevel>>;

  /** `path` must not exist. */
  constructor(path: string, names: readonly Name[]) {
    this.#names = names;
    this.#file = new CheckedWriter(path);
    this.#hashes = recordOf(names, () => createHash('sha256'));
    this.#levels = recordOf(
      names,
      (name) => new TreeLevel(this.#file, (entries) => this.#hashes[name].update(entries)),
    );
  }

  /** Adds a copy of key and value. Tables may interleave, but the keys of each must ascend. */
  add(name: Name, key: Uint8Array, value: Uint8Array): void {
    this.#levels[name].add(key, value);
  }

  /** Ends the file and makes it durable. */
  async close(): Promise<Sorted<Name>> {
    const roots = this.#names.map((name) => this.#levels[name].finish());
    for (const { levels, ...place } of roots) {
      this.#file.write(formatRange(place));
      this.#file.write(Uint8Array.of(levels));
    }
    return {
      seal: await this.#file.close(),
      hashes: recordOf(this.#names, (name) => this.#hashes[name].digest('hex')),
    };
  }

  /** Closes the file, whether it is finished or not. */
  abandon(): void {
    this.#file.abandon();
  }
}

/** One level of a table's tree under construction. The level above is created with the second block. */
class TreeLevel {
  readonly #file: CheckedWriter;
  readonly #onEntries: (entries: Uint8Array) => void;
  readonly #maker = new BlockMaker();
  #first: (ByteRange & { readonly key: Uint8Array }) | undefined;
  #above: TreeLevel | undefined;
  #firstKey: Uint8Array = new Uint8Array(0);

  /** @param onEntries receives the entries of each block in BlockMaker's encoding */
  constructor(file: CheckedWriter, onEntries: (entries: Uint8Array) => void = () => undefined) {
    this.#file = file;
    this.#onEntries = onEntries;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    const maker = this.#maker;
    if (maker.count > 0 && maker.sizeWith(key, value) > blockBytes) this.#endBlock();
    if (maker.count === 0) this.#firstKey = key.slice();
    if (!maker.add(key, value))
      throw new SwaError('internal.invariant', `keys do not ascend: ${Buffer.from(key).toString('hex')}`);
  }

  finish(): Root {
    if (this.#maker.count > 0) this.#endBlock();
    if (this.#above !== undefined) {
      const root = this.#above.finish();
      return { ...root, levels: root.levels + 1 };
    }
    const { offset, length } = this.#first ?? { offset: 0, length: 0 };
    return { offset, length, levels: 0 };
  }

  #endBlock(): void {
    this.#onEntries(this.#maker.entries);
    const offset = this.#file.position;
    const block = this.#maker.finish();
    this.#file.write(block);
    const written = { key: this.#firstKey, offset, length: block.length };
    if (this.#first === undefined) {
      this.#first = written;
      return;
    }
    if (this.#above === undefined) {
      this.#above = new TreeLevel(this.#file);
      this.#above.add(this.#first.key, formatRange(this.#first));
    }
    this.#above.add(written.key, formatRange(written));
  }
}

/** Reads a sorted file. All methods throw `view.corrupt` if what they read is damaged. */
export class SortedFile<Name extends string> {
  readonly #file: CheckedFile;
  readonly #roots: Readonly<Record<Name, Root>>;
  readonly #block = new SortedBlock();
  readonly #kept = new BlockMemory();

  /** `names` must be those it was written with. */
  constructor(path: string, seal: FileSeal, names: readonly Name[]) {
    this.#file = new CheckedFile(path, seal);
    try {
      const length = names.length * rootBytes;
      const directory = this.#read({ offset: this.#file.sizeBytes - length, length });
      this.#roots = recordOf(names, (_name, i) => ({
        ...rangeAt(directory, i * rootBytes),
        levels: directory.readUInt8(i * rootBytes + placeBytes),
      }));
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** The value of a key, valid until the next call; undefined if there is none. */
  get(name: Name, key: Uint8Array): Buffer | undefined {
    const root = this.#roots[name];
    if (root.length === 0) return undefined;
    const block = this.#moveTo(root);
    for (let level = root.levels; level > 0; level--) {
      const child = block.find(key);
      if (child < 0) return undefined;
      this.#moveTo(rangeAt(block.bytes, block.valueFrom(child)));
    }
    return block.get(key);
  }

  /** All keys of a table, ascending. */
  *keys(name: Name): Generator<Buffer> {
    for (const block of this.#blocks(this.#roots[name]))
      for (let i = 0; i < block.count; i++) yield block.key(i);
  }

  /** All values of a table, in the order of their keys. */
  *values(name: Name): Generator<Buffer> {
    for (const block of this.#blocks(this.#roots[name]))
      for (let i = 0; i < block.count; i++) yield block.value(i);
  }

  /** All entries of a table, in the order of their keys. */
  *entries(name: Name): Generator<readonly [key: Buffer, value: Buffer]> {
    for (const block of this.#blocks(this.#roots[name]))
      for (let i = 0; i < block.count; i++) yield [block.key(i), block.value(i)];
  }

  /** The entries whose keys begin with a prefix, in the order of their keys. */
  *entriesWith(name: Name, prefix: Uint8Array): Generator<readonly [key: Buffer, value: Buffer]> {
    for (const block of this.#blocks(this.#roots[name], prefix)) {
      const last = block.find(prefix);
      const isThere = last >= 0 && block.key(last).equals(prefix);
      for (let i = isThere ? last : last + 1; i < block.count; i++) {
        const key = block.key(i);
        if (!key.subarray(0, prefix.length).equals(prefix)) return;
        yield [key, block.value(i)];
      }
    }
  }

  close(): void {
    this.#file.close();
  }

  /** The leaf blocks below a place, which is `levels` levels above them, from the first one that may contain `start`. */
  *#blocks({ levels, ...place }: Root, start: Uint8Array = new Uint8Array(0)): Generator<SortedBlock> {
    if (place.length === 0) return;
    const block = new SortedBlock().moveTo(this.#read(place), 0, place.length);
    if (levels === 0) {
      yield block;
      return;
    }
    for (let i = Math.max(0, block.find(start)); i < block.count; i++)
      yield* this.#blocks({ ...rangeAt(block.bytes, block.valueFrom(i)), levels: levels - 1 }, start);
  }

  #moveTo(place: ByteRange): SortedBlock {
    const { offset, length } = place;
    if (length > blockBytes) return this.#block.moveTo(this.#read(place), 0, length);
    const { bytes, from } = this.#kept.read(this.#file, offset, length);
    return this.#block.moveTo(bytes, from, from + length);
  }

  #read({ offset, length }: ByteRange): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length);
    this.#file.read(bytes, offset);
    return bytes;
  }
}

/** A direct-mapped cache of blocks: each block has one slot, which it shares with others. */
class BlockMemory {
  readonly #parts: Buffer[] = [];
  readonly #offsets = new Float64Array(keptBlocks).fill(-1);

  /** The block at this offset of the file; valid until the next call. */
  read(file: CheckedFile, offset: number, length: number): { readonly bytes: Buffer; readonly from: number } {
    const place = Math.floor((2 * offset) / blockBytes) % keptBlocks; // few blocks are shorter than half the maximum
    const bytes = (this.#parts[Math.floor(place / blocksPerPart)] ??= Buffer.allocUnsafeSlow(
      blocksPerPart * blockBytes,
    ));
    const from = (place % blocksPerPart) * blockBytes;
    if (this.#offsets[place] !== offset) {
      this.#offsets[place] = -1; // in case the read fails
      file.read(bytes.subarray(from, from + length), offset);
      this.#offsets[place] = offset;
    }
    return { bytes, from };
  }
}

function formatRange({ offset, length }: ByteRange): Uint8Array {
  const bytes = Buffer.alloc(placeBytes);
  bytes.writeUIntLE(offset, 0, 6);
  bytes.writeUInt32LE(length, 6);
  return bytes;
}

function rangeAt(bytes: Buffer, at: number): ByteRange {
  return { offset: bytes.readUIntLE(at, 6), length: bytes.readUInt32LE(at + 6) };
}

function recordOf<Name extends string, T>(
  names: readonly Name[],
  make: (name: Name, i: number) => T,
): Record<Name, T> {
  return Object.fromEntries(names.map((name, i) => [name, make(name, i)])) as Record<Name, T>; // all names are there
}
