/**
 * Read access to the realtime view, from any process: reads the files and sends no requests to the speed layer. A snapshot is one LMDB read
 * transaction per partition; each shows its partition's facts in [batch cut, position), so together they show exactly the facts between two
 * cuts.
 *
 * The file SERVING names the generation that answers. It is checked for every snapshot; a generation that no longer serves is closed when its
 * last snapshot is released.
 */
import { existsSync, statSync } from 'node:fs';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { systemClock } from '../../lib/time/clock.js';
import { isAtWork, readStatus } from '../../lib/process/status.js';
import type { LogId, Offsets, PartitionName } from '../../log/log.js';
import { mergeAscending } from '../../lib/memory/merge-ascending.js';
import { normalizedValue } from '../../facts/dimensions/value.js';
import { SketchCell } from '../../facts/views/sketch-cell.js';
import type {
  BucketCell,
  EdgeBlock,
  LocalRealtimeView,
  PageCount,
  Subject,
  ValueCount,
  ViewId,
} from '../../facts/views/view.js';
import { decodeCell, decodePageviews, decodeUrl } from './cell-codec.js';
import { CellSubject } from './cell-subject.js';
import { decodeEdges, edgeRange, nextOfEdgeKey } from './edge-block.js';
import {
  cellRange,
  domainsAfter,
  bucketOfCellKey,
  pageRange,
  nameOfCellKey,
  parseCellKey,
  valueRange,
} from './cell-key.js';
import { generationIds, pointerPath, readPointer, storeDir, type Pointer } from './layout.js';
import { lmdbDamage } from '../../lib/files/lmdb-file.js';
import {
  damageOr,
  openingMarker,
  dataFile,
  inodeOf,
  isDamage,
  openDatabase,
  readProgress,
  type Database,
  type StoreLocation,
} from './store-files.js';
import { RealtimeSummary } from './realtime-summary.js';
import { readDescription, type Progress, type StoreDescription } from './store-meta.js';

export interface Realtime {
  /**
   * A snapshot of what the speed layer has processed so far, to be released by the caller; undefined if the speed layer has never had a view.
   * Throws `speed.failed`, retryable, while a lost view is rebuilt: it would be behind earlier answers.
   */
  snapshot(): LocalRealtimeView | undefined;
  close(): Promise<void>;
}

export function openRealtime(dataDir: string): Realtime {
  return new RealtimeReader(dataDir);
}

/** Maximum number of tries to find a generation that stays in place while it is opened. Hand-overs are rare. */
const attempts = 8;

class RealtimeReader implements Realtime {
  readonly #dataDir: string;
  readonly #stores: StoresReader;
  #pointer: Pointer | undefined;
  #pointerStamp = '';

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#stores = new StoresReader(dataDir);
  }

  snapshot(): LocalRealtimeView | undefined {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const pointer = this.#readPointer();
      if (pointer === undefined && generationIds(this.#dataDir).length > 0)
        throw rebuilding(`${pointerPath(this.#dataDir)} is gone`); // the generation it named may have answered before
      if (pointer?.serving === undefined) return undefined;
      const snapshot = this.#stores.snapshot(pointer.serving, pointer.partitions);
      if (snapshot !== undefined) return snapshot;
      // Either it was replaced meanwhile, and the pointer names its successor, or its stores are being rebuilt.
      if (stampOf(pointerPath(this.#dataDir)) === this.#pointerStamp) break;
    }
    throw rebuilding('its files do not exist yet');
  }

  close(): Promise<void> {
    return this.#stores.close();
  }

  /** The pointer, read again if the file was replaced. A deleted one stays in force until there is another. */
  #readPointer(): Pointer | undefined {
    const stamp = stampOf(pointerPath(this.#dataDir));
    if (stamp !== this.#pointerStamp) {
      this.#pointer = readPointer(this.#dataDir) ?? this.#pointer;
      this.#pointerStamp = stamp;
    }
    return this.#pointer;
  }
}

/** Takes snapshots of stores that the caller names, and keeps the last generation open. */
export class StoresReader {
  readonly #dataDir: string;
  readonly #closing = new Set<Promise<void>>();
  #open: OpenGeneration | undefined;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Snapshot of these partitions of a generation; undefined if a store is missing or unfinished. Throws like `Realtime.snapshot`. */
  snapshot(id: ViewId, partitions: readonly PartitionName[]): RealtimeSnapshot | undefined {
    const open = this.#open;
    if (open === undefined || !open.isOf(id, partitions) || !open.isInPlace()) {
      this.#leave();
      this.#open = OpenGeneration.tryOpen(this.#dataDir, id, partitions, (closed) => this.#track(closed));
    }
    return this.#open === undefined ? undefined : takeRealtimeSnapshot(this.#open);
  }

  async close(): Promise<void> {
    this.#leave();
    await Promise.all(this.#closing);
  }

  #leave(): void {
    this.#open?.leave();
    this.#open = undefined;
  }

  #track(closed: Promise<void>): void {
    this.#closing.add(closed);
    const forget = (): void => void this.#closing.delete(closed);
    closed.then(forget, forget);
  }
}

interface OpenStore extends StoreLocation {
  readonly description: StoreDescription;
  readonly db: Database;
}

/** All stores of one generation, open as long as it serves or a snapshot of it exists. */
class OpenGeneration {
  readonly id: ViewId;
  readonly stores: readonly OpenStore[];
  readonly logId: LogId;
  readonly #onClosed: (closed: Promise<void>) => void;
  #holders = 1;

  private constructor(
    id: ViewId,
    stores: readonly OpenStore[],
    logId: LogId,
    onClosed: (closed: Promise<void>) => void,
  ) {
    this.id = id;
    this.stores = stores;
    this.logId = logId;
    this.#onClosed = onClosed;
  }

  /** Undefined if a store is missing or unfinished. */
  static tryOpen(
    dataDir: string,
    id: ViewId,
    partitions: readonly PartitionName[],
    onClosed: (closed: Promise<void>) => void,
  ): OpenGeneration | undefined {
    const dirs = partitions.map((partition) => storeDir(dataDir, id, partition));
    const isWatched = isWorkedOn(dataDir);
    for (const dir of dirs) {
      if (inodeOf(dir) === 0 || existsSync(openingMarker(dir))) return undefined;
      const damage = lmdbDamage(dataFile(dir), isWatched);
      if (damage !== undefined) throw rebuilding(`${dataFile(dir)} is damaged: ${damage}`);
    }
    const stores: OpenStore[] = [];
    for (const dir of dirs) {
      const store = openStore(dir);
      if (store === undefined) break;
      stores.push(store);
    }
    const logId = stores[0]?.description.logId;
    if (logId !== undefined && stores.length === partitions.length)
      return new OpenGeneration(id, stores, logId, onClosed);
    for (const { db } of stores) onClosed(db.close());
    return undefined;
  }

  isOf(id: ViewId, partitions: readonly PartitionName[]): boolean {
    return (
      id === this.id &&
      partitions.length === this.stores.length &&
      this.stores.every(({ description }, i) => description.partition === partitions[i])
    );
  }

  /** False if a store was deleted or rebuilt since. */
  isInPlace(): boolean {
    return this.stores.every(({ dir, inode }) => inodeOf(dir) === inode);
  }

  hold(): void {
    this.#holders++;
  }

  leave(): void {
    if (--this.#holders > 0) return;
    for (const { db } of this.stores) this.#onClosed(db.close());
  }
}

/** Whether a speed worker is running. If so, it has checked every store completely before using it. */
function isWorkedOn(dataDir: string): boolean {
  return readStatus(dataDir).some(
    (entry) => entry.role === 'speed' && entry.state === 'running' && isAtWork(entry, systemClock),
  );
}

function openStore(dir: string): OpenStore | undefined {
  const description = readDescription(dir);
  const inode = inodeOf(dir);
  if (description === undefined || inode === 0) return undefined;
  try {
    return { dir, inode, description, db: openDatabase(dir) };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined; // deleted in between
    throw rebuildingOr(error, { dir, inode });
  }
}

type ReadTransaction = ReturnType<Database['useReadTransaction']>;

interface Part {
  readonly store: OpenStore;
  readonly transaction: ReadTransaction;
  readonly progress: Progress;
}

function takeRealtimeSnapshot(generation: OpenGeneration): RealtimeSnapshot {
  const parts: Part[] = [];
  generation.hold();
  try {
    for (const store of generation.stores) parts.push(partOf(store));
    const behind = parts.find(({ store, progress }) => progress.next < store.description.readyAt);
    if (behind !== undefined) {
      const { partition, readyAt } = behind.store.description;
      throw rebuilding(`${partition} is at offset ${behind.progress.next} of ${readyAt}`);
    }
    return new RealtimeSnapshot(generation, parts);
  } catch (error) {
    for (const part of parts) part.transaction.done();
    generation.leave();
    throw error;
  }
}

function partOf(store: OpenStore): Part {
  store.db.resetReadTxn(); // the newest commit, not the one from the start of this turn of the event loop
  const transaction = reading(store, () => store.db.useReadTransaction());
  try {
    return { store, transaction, progress: readProgress(store.db, { transaction }) };
  } catch (error) {
    transaction.done();
    throw rebuildingOr(error, store);
  }
}

export class RealtimeSnapshot extends RealtimeSummary implements LocalRealtimeView {
  readonly #open: OpenGeneration;
  readonly #parts: readonly Part[];
  #released = false;

  constructor(open: OpenGeneration, parts: readonly Part[]) {
    super(
      open.id,
      open.logId,
      new Map(parts.map((part) => [part.store.description.partition, part.progress])),
    );
    this.#open = open;
    this.#parts = parts;
  }

  *edges(from: Partial<Offsets> = {}): Generator<EdgeBlock> {
    for (const part of this.#parts) {
      const { store, progress } = part;
      if (progress.keptEdges === 0) continue;
      yield* readingAll(store, edgesOf(part, from[store.description.partition] ?? 0));
    }
  }

  forEachBucket(
    subject: Subject,
    fromBucket: number,
    toBucket: number,
    visit: (cell: BucketCell) => void,
  ): void {
    const parts = this.#partsIn(fromBucket, toBucket);
    if (parts.length === 0 || !mayHaveCells(subject)) return;
    const range = cellRange(CellSubject.of(subject), clampBucket(fromBucket), clampBucket(toBucket));
    for (const { store, transaction } of parts) {
      reading(store, () => {
        for (const { key, value } of store.db.getRange({ ...range, transaction })) {
          const { pageviews, sketch } = decodeCell(value);
          visit(new SketchCell(bucketOfCellKey(key), pageviews, sketch));
        }
      });
    }
  }

  *pages(domain: string, fromBucket: number, toBucket: number): Generator<readonly PageCount[]> {
    const range = pageRange(domain);
    for (const part of this.#partsIn(fromBucket, toBucket))
      for (const block of readingAll(part.store, namesOf(part, range, fromBucket, toBucket, 'page')))
        yield block.map(({ name: url, pageviews }) => ({ url, pageviews }));
  }

  *values(
    dimension: string,
    domain: string,
    fromBucket: number,
    toBucket: number,
  ): Generator<readonly ValueCount[]> {
    const range = valueRange(dimension, domain);
    for (const part of this.#partsIn(fromBucket, toBucket))
      for (const block of readingAll(part.store, namesOf(part, range, fromBucket, toBucket, 'value')))
        yield block.map(({ name: value, pageviews }) => ({ value, pageviews }));
  }

  domains(): Iterable<string> {
    return mergeAscending(this.#parts.map((part) => readingAll(part.store, domainsOf(part))));
  }

  /** The parts with cells in these buckets: partitions of equivs have none, and most queries are for older buckets. */
  #partsIn(fromBucket: number, toBucket: number): readonly Part[] {
    if (toBucket <= fromBucket) return [];
    return this.#parts.filter(
      ({ progress }) => fromBucket < progress.toBucket && toBucket > progress.fromBucket,
    );
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const { transaction } of this.#parts) transaction.done();
    this.#open.leave();
  }
}

function* edgesOf({ store, transaction }: Part, from: number): Generator<EdgeBlock> {
  const { partition } = store.description;
  for (const { key, value } of store.db.getRange({ ...edgeRange(from), transaction }))
    yield { partition, next: nextOfEdgeKey(key), edges: decodeEdges(value) };
}

/** Number of cells of one domain to walk over before seeking to the next domain. */
const cellsPassed = 16;

/** All domains, ascending. A domain may have few cells or thousands: walking is faster for few, a new range for many. */
function* domainsOf({ store, transaction }: Part): Generator<string> {
  let last = '';
  for (let isOver = false; !isOver;) {
    isOver = true;
    let passed = 0;
    for (const key of store.db.getKeys({ ...domainsAfter(last), transaction })) {
      const domain = parseCellKey(key)?.domain;
      if (domain !== undefined && domain !== last) {
        yield (last = domain);
        passed = 0;
      } else if (++passed > cellsPassed) {
        isOver = false;
        break;
      }
    }
  }
}

const cellsInBlock = 1_000;

interface Named {
  readonly name: string;
  readonly pageviews: number;
}

/** Adds up the cells of each subject in a key range in which the cells of a subject are adjacent. Yields a block per thousand cells. */
function* namesOf(
  { store, transaction }: Part,
  range: { readonly start: Buffer; readonly end: Buffer },
  fromBucket: number,
  toBucket: number,
  kind: 'page' | 'value',
): Generator<readonly Named[]> {
  const nameAt = range.start.length;
  let block: Named[] = [];
  let counted: { name: string; pageviews: number } | undefined;
  let cells = 0;
  for (const { key, value } of store.db.getRange({ ...range, transaction })) {
    if (++cells % cellsInBlock === 0) {
      yield block;
      block = [];
    }
    const bucket = bucketOfCellKey(key);
    if (bucket < fromBucket || bucket >= toBucket) continue;
    const pageviews = decodePageviews(value);
    const name = nameOfCellKey(key, nameAt, kind) ?? decodeUrl(value);
    if (counted?.name === name) {
      counted.pageviews += pageviews;
      continue;
    }
    if (counted !== undefined) block.push(counted);
    counted = { name, pageviews };
  }
  if (counted !== undefined) block.push(counted);
  if (block.length > 0) yield block;
}

/** False for a text that is not a normalised value; it may be too long for a key. */
function mayHaveCells(subject: Subject): boolean {
  return subject.kind !== 'value' || subject.value === normalizedValue(subject.value);
}

const lastBucket = 2 ** 32 - 1;

function clampBucket(bucket: number): number {
  return Math.min(Math.max(bucket, 0), lastBucket);
}

/** Runs a read. If the store turns out to be damaged, marks it for the speed layer and throws a retryable error. */
function reading<T>(location: StoreLocation, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw rebuildingOr(error, location);
  }
}

/** The same for items that are read one by one. */
function* readingAll<T>(location: StoreLocation, items: Iterable<T>): Generator<T> {
  try {
    yield* items;
  } catch (error) {
    throw rebuildingOr(error, location);
  }
}

function rebuildingOr(error: unknown, location: StoreLocation): unknown {
  const problem = damageOr(error, location);
  return isDamage(problem) ? rebuilding('a store was damaged', problem) : problem;
}

function rebuilding(why: string, cause?: unknown): SwaError {
  return new SwaError('speed.failed', `the realtime view is being rebuilt from the log: ${why}`, {
    cause,
    retryable: true,
    hint: 'retry in a moment; the speed layer must be running (`swa start`), and `swa status` shows its progress',
  });
}

/** Changes whenever the file is replaced; '' if it does not exist. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
}
