/**
 * One session of the sink: starting at the committed cut, it reads the log, spools records and commits them until it is
 * stopped or fails. A session has no state that the next one could not read from disk and log, so any failure is
 * handled by opening a new session.
 *
 * Reading and committing overlap: while DuckDB writes one set of spools, the next is filled. There are never more than
 * two sets.
 */
import { join, relative } from 'node:path';
import {
  saveAnswer,
  readAnswer,
  pendingOrder,
  erasureFilterOf,
  withFiles,
  type ErasedFile,
  type ErasureOrder,
  type ErasureFilter,
} from '../facts/erasure-records.js';
import { SwaError, systemCode, hasCode } from '../lib/errors/errors.js';
import { checkCut, distance, offsetAt, reaches } from '../log/cut.js';
import type { LastRecord } from '../log/last-records.js';
import {
  type Cut,
  type Log,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type RecordBatch,
} from '../log/log.js';
import { commitFile, commitNext, type MasterStore, type OnStep } from './commit.js';
import { compactOnce, compactionLimits, type CompactionLimits } from './compaction.js';
import { openDuckDb, type DuckDb } from './duckdb.js';
import { eraseInFile } from './erase.js';
import { FlushRequests } from './flush-request.js';
import { masterDir, partitionDir, sinkTempDir, tempSuffix } from './layout.js';
import { dataFiles, endOf, openRoot, readHead, type ChainHead } from './manifest.js';
import { spoolToParquet } from './parquet.js';
import type { SharedMaster } from './shared-master.js';
import { Spool, type Spooled } from './spool.js';
import { checkFiles, deadFiles, removeDeadFiles, removeOldManifests, sweepTemps } from './sweep.js';

/** The part of a log that a session uses. */
export type SourceLog = Pick<Log, 'id' | 'partitions' | 'latest' | 'openReader' | 'stored' | 'health'>;

export interface SinkOptions {
  readonly dataDir: string;
  readonly log: SourceLog;
  readonly maxRows: number;
  readonly intervalMs: number;
  /** Monotonic milliseconds, unaffected by changes of the wall clock; `performance.now` except in tests. */
  readonly elapsedMs?: () => number;
  readonly limits?: CompactionLimits;
  /** The dataset shared with other hosts; undefined if there is only this directory. */
  readonly shared?: SharedMaster | undefined;
  /** Called with the master dataset's new cut after each round of commits. */
  readonly onCommit?: (cut: Cut) => void;
  /** Called for errors that do not stop the session, such as a failed compaction. */
  readonly onProblem?: (error: unknown) => void;
  readonly onStep?: OnStep;
}

/** Limits the spools on disk, and so the memory DuckDB needs for one file: up to eight times its spool. */
const maxSpoolBytes = 64 * 2 ** 20;
const maxSpoolsBytes = 512 * 2 ** 20;
const readRecords = 8_192;
/** While facts are waiting, how long it takes until a flush request is seen. */
const flushPollMs = 50;
const idleMs = 1000;
/** How long the log may return nothing although it has more records. */
const stallMs = 20_000;
/** How often the session looks for an order to erase, here and in what hosts share. */
const eraseEveryMs = 1000;
const exchangeEveryMs = 5000;
/** Pause after a compaction failed for a temporary reason. */
export const compactionPauseMs = 5 * 60_000;

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Ends the run when everything below is committed; without it only the signal ends the run. */
  readonly until?: Offsets;
}

export class SinkSession {
  readonly #options: SinkOptions;
  readonly #elapsedMs: () => number;
  readonly #store: MasterStore;
  readonly #duckdb: DuckDb;
  readonly #reader: LogReader;
  readonly #heads: Map<PartitionName, ChainHead>;
  readonly #requests: FlushRequests;
  readonly #position: Record<PartitionName, Offset>;
  #spools = new Map<PartitionName, Spool>();
  #spoolCount = 0;
  #waitingSince = 0;
  #commit: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Aborted when compaction and erasing must stop. */
  readonly #compacting = new AbortController();
  /** Earliest time, by `#elapsedMs`, of the next attempt to erase. */
  #erasableFrom = 0;
  /** Likewise of the next exchange with other hosts. */
  #exchangeFrom = 0;
  /** Earliest time, by `#elapsedMs`, of the next compaction of a partition whose compaction failed. */
  readonly #compactableFrom = new Map<PartitionName, number>();
  /**
   * Data files known to be intact: this session sealed them, or checked them before it removed the files they replace.
   */
  readonly #whole = new Set<string>();
  /** Progress of the current order to erase: the files rewritten, and the names of files that need no further check. */
  #erasing:
    | {
        readonly id: string;
        readonly erased: ErasureFilter;
        files: readonly ErasedFile[];
        readonly done: Set<string>;
      }
    | undefined;
  /** Manifest number of each partition at the start. */
  readonly #firstNumbers: ReadonlyMap<PartitionName, number>;

  private constructor(
    options: SinkOptions,
    store: MasterStore,
    duckdb: DuckDb,
    reader: LogReader,
    heads: Map<PartitionName, ChainHead>,
    position: Record<PartitionName, Offset>,
  ) {
    this.#options = options;
    this.#elapsedMs = options.elapsedMs ?? (() => performance.now());
    this.#store = store;
    this.#duckdb = duckdb;
    this.#reader = reader;
    this.#heads = heads;
    this.#firstNumbers = new Map([...heads].map(([name, head]) => [name, head.number]));
    this.#position = position;
    this.#requests = new FlushRequests(options.dataDir);
  }

  /**
   * Opens a session and repairs what a crash left. The caller must hold the sink's lock. Throws `log.mismatch`,
   * `master.corrupt`.
   */
  static async open(options: SinkOptions): Promise<SinkSession> {
    const { dataDir, log, shared } = options;
    await shared?.pull();
    const root = openRoot(dataDir, log);
    await shared?.adopt();
    const heads = new Map<PartitionName, ChainHead>();
    const next: Record<PartitionName, Offset> = {};
    for (const name of root.body.partitions) {
      const head = readHead(dataDir, root, name);
      checkFiles(dataDir, name, head, shared !== undefined);
      heads.set(name, head);
      next[name] = endOf(head);
    }
    await checkCut(log, { logId: root.body.logId, next }, 'the master dataset');
    sweepTemps(dataDir, root);
    const duckdb = await openDuckDb({
      allowedDirectories: [masterDir(dataDir)],
      tempDirectory: sinkTempDir(dataDir),
      memoryLimit: '1GB',
      threads: 1,
    });
    try {
      const reader = await log.openReader({ from: next, consumer: 'sink' });
      const store: MasterStore = {
        dataDir,
        root,
        connection: duckdb.connection,
        onStep: options.onStep ?? (() => undefined),
        shared,
      };
      return new SinkSession(options, store, duckdb, reader, heads, next);
    } catch (error) {
      duckdb.close();
      throw error;
    }
  }

  /** The master dataset's cut after this session's commits. */
  get cut(): Cut {
    const next: Record<PartitionName, Offset> = {};
    for (const [name, head] of this.#heads) next[name] = endOf(head);
    return { logId: this.#store.root.body.logId, next };
  }

  /** Number of offsets below the cut that were lost before they were stored. */
  get skippedOffsets(): number {
    const gaps = [...this.#heads.values()].flatMap((head) => head.gaps);
    return gaps.reduce((sum, { fromOffset, toOffset }) => sum + toOffset - fromOffset, 0);
  }

  /** Returns the number of records in the log after the cut. */
  async lag(): Promise<number> {
    return distance(this.cut.next, await this.#options.log.latest());
  }

  /**
   * Reads and commits; when the signal aborts, commits what has been read and returns. Throws the error that stopped
   * it; `log.unavailable` if the log returns nothing for too long before `until`.
   */
  async run(options: RunOptions): Promise<void> {
    const { signal } = options;
    const end = (): void => this.#compacting.abort(); // stopping does not wait for a compaction
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
    try {
      await this.#run(options);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async #run({ signal, until }: RunOptions): Promise<void> {
    const isOver = (): boolean => signal.aborted || (until !== undefined && reaches(this.#position, until));
    let heardAt = this.#elapsedMs();
    while (!isOver()) {
      const batches = await this.#read(signal);
      for (const batch of batches) await this.#take(batch);
      const now = this.#elapsedMs();
      if (batches.length > 0) heardAt = now;
      if (until !== undefined && now - heardAt > stallMs) throw stalled(this.#position, until);
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#exchange();
      if (this.#isDue() || (this.#spools.size === 0 && this.#orderToErase() !== undefined))
        await this.#startCommit();
    }
    await this.#startCommit();
    await this.#commit;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /**
   * Reads the next batches. Before it reports records that cannot be decoded, it commits everything before them, so
   * that skipping them loses nothing else.
   */
  async #read(signal: AbortSignal): Promise<readonly RecordBatch[]> {
    try {
      return await this.#reader.next({ maxRecords: readRecords, timeoutMs: this.#waitMs(), signal });
    } catch (error) {
      if (hasCode(error, 'log.corrupt')) {
        await this.#startCommit();
        await this.#commit;
      }
      throw error;
    }
  }

  /** Closes without committing; spooled records are read again by the next session. */
  async close(): Promise<void> {
    await this.#commit;
    for (const spool of this.#spools.values()) spool.discard();
    this.#spools.clear();
    await this.#reader.close();
    this.#duckdb.close();
  }

  /** Spools a batch; commits in between if it does not fit one spool. */
  async #take(batch: RecordBatch): Promise<void> {
    let taken = 0;
    do {
      const spool = this.#spoolOf(batch);
      taken = spool.append(batch, taken);
      this.#position[batch.name] = spool.next;
      if (spool.isFull) await this.#startCommit();
    } while (taken < batch.offsets.length);
  }

  #spoolOf(batch: RecordBatch): Spool {
    const open = this.#spools.get(batch.name);
    if (open !== undefined) return open;
    if (this.#spools.size === 0) this.#waitingSince = this.#elapsedMs();
    const fileName = `spool-${this.#spoolCount++}.ndjson${tempSuffix}`;
    const path = join(partitionDir(this.#store.dataDir, batch.name), fileName);
    const limits = { maxRows: this.#options.maxRows, maxBytes: maxSpoolBytes };
    const spool = new Spool(path, batch.topic, offsetAt(this.#position, batch.name), limits);
    this.#spools.set(batch.name, spool);
    return spool;
  }

  #waitMs(): number {
    if (this.#spools.size === 0) return idleMs;
    const left = this.#waitingSince + this.#options.intervalMs - this.#elapsedMs();
    return Math.max(1, Math.min(left, flushPollMs));
  }

  #isDue(): boolean {
    if (this.#spools.size === 0) return false;
    let totalBytes = 0;
    for (const { sizeBytes } of this.#spools.values()) totalBytes += sizeBytes;
    if (totalBytes >= maxSpoolsBytes) return true;
    if (this.#elapsedMs() - this.#waitingSince >= this.#options.intervalMs) return true;
    const wanted = this.#requests.wanted();
    return !reaches(this.cut.next, wanted) && reaches(this.#position, wanted);
  }

  /** Waits for the running commit, then starts the commit of the current spools. */
  async #startCommit(): Promise<void> {
    await this.#commit;
    if (this.#failure !== undefined) throw this.#failure.error;
    const spools = this.#spools;
    this.#spools = new Map();
    this.#commit = this.#commitAll(spools).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  async #commitAll(spools: ReadonlyMap<PartitionName, Spool>): Promise<void> {
    if (spools.size === 0) return this.#erase();
    const last: [PartitionName, LastRecord][] = [];
    try {
      for (const [name, spool] of spools) {
        const spooled = spool.finish();
        if (spooled === undefined) await this.#passOver(name, spool.next);
        else await this.#commitSpool(name, spooled);
        if (spooled?.lastRecord !== undefined) last.push([name, spooled.lastRecord]);
      }
    } finally {
      for (const spool of spools.values()) spool.discard();
    }
    if (last.length > 0) this.#options.log.stored?.(Object.fromEntries(last));
    this.#options.onCommit?.(this.cut);
    await this.#compact();
    await this.#erase();
  }

  /**
   * Carries out the current order to erase, if any, to its end. For callers that hold the sink's lock and have no other
   * work.
   */
  async eraseAll(): Promise<void> {
    while (await this.#eraseNext()) this.#compacting.signal.throwIfAborted();
  }

  /** Returns the current order to erase, if all facts it covers are stored. */
  #orderToErase(): ErasureOrder | undefined {
    if (this.#elapsedMs() < this.#erasableFrom) return undefined;
    const order = pendingOrder(this.#options.dataDir, 'master');
    if (order !== undefined && reaches(this.cut.next, order.before)) return order;
    this.#erasableFrom = this.#elapsedMs() + eraseEveryMs;
    return undefined;
  }

  /** Has orders of other hosts here. A failure is reported; the next call tries again. */
  async #exchange(): Promise<void> {
    const { shared, onProblem } = this.#options;
    if (shared === undefined || this.#elapsedMs() < this.#exchangeFrom) return;
    this.#exchangeFrom = this.#elapsedMs() + exchangeEveryMs;
    await shared.exchangeErasures().catch((error: unknown) => onProblem?.(error));
  }

  /** Does one step of erasing, so that commits are not delayed. Failures are reported, and retried later. */
  async #erase(): Promise<void> {
    if (this.#compacting.signal.aborted) return;
    try {
      await this.#eraseNext();
    } catch (error) {
      if (hasCode(error, 'master.conflict')) throw error;
      if (this.#compacting.signal.aborted) return;
      this.#erasableFrom = this.#elapsedMs() + compactionPauseMs;
      this.#options.onProblem?.(error);
    }
  }

  /** Rewrites the next file that needs it, or answers the order. Returns true if there may be more to do now. */
  async #eraseNext(): Promise<boolean> {
    const order = this.#orderToErase();
    if (order === undefined) return false;
    const { dataDir, shared } = this.#options;
    if (this.#erasing?.id !== order.id)
      this.#erasing = {
        id: order.id,
        erased: erasureFilterOf(dataDir, order),
        files: readAnswer(dataDir, order, 'master')?.files ?? [],
        done: new Set(),
      };
    const erasing = this.#erasing;
    for (const name of this.#heads.keys()) {
      const head = this.#headOf(name);
      for (const file of head.files) {
        if (erasing.done.has(file.name)) continue;
        this.#compacting.signal.throwIfAborted();
        await shared?.fetch(name, [file]);
        const path = relative(dataDir, join(partitionDir(dataDir, name), file.name));
        const found = await eraseInFile(this.#store, name, head, file, erasing.erased, (records) => {
          erasing.files = withFiles(erasing.files, [{ path, records }]);
          saveAnswer(dataDir, 'master', { id: order.id, isDone: false, files: [...erasing.files] });
        });
        erasing.done.add(file.name);
        if (found === undefined) continue;
        this.#heads.set(name, found);
        for (const one of found.files) if (!head.files.includes(one)) this.#whole.add(one.name);
        return true;
      }
      if (shared === undefined) {
        const dead = deadFiles(dataDir, this.#store.root, name, head);
        await removeDeadFiles(dataDir, name, head, dead, this.#whole);
      } else await shared.tidy(name, head);
      const isPurged = (await shared?.purge(name)) ?? true;
      const isNamed = new Set(head.files.map((file) => file.name));
      if (isPurged && dataFiles(dataDir, name).every((each) => isNamed.has(each))) continue;
      this.#erasableFrom = this.#elapsedMs() + eraseEveryMs; // a replaced file is still being read
      return false;
    }
    saveAnswer(dataDir, 'master', { id: order.id, isDone: true, files: [...erasing.files] });
    this.#erasing = undefined;
    this.#exchangeFrom = 0;
    return false;
  }

  /**
   * Adds offsets without records to the range of the last file; if there is none, or a gap follows it, the next file
   * will include them.
   */
  async #passOver(name: PartitionName, end: Offset): Promise<void> {
    const head = this.#headOf(name);
    const last = head.files.at(-1);
    if (last === undefined || last.toOffset >= end || last.toOffset < endOf(head)) return;
    const files = [...head.files.slice(0, -1), { ...last, toOffset: end }];
    this.#heads.set(name, await commitNext(this.#store, name, head, { files }));
  }

  async #commitSpool(name: PartitionName, spooled: Spooled): Promise<void> {
    let head = this.#headOf(name);
    // A chain begins with a manifest without files: see manifest.ts.
    if (head.number === 0) head = await commitNext(this.#store, name, head);
    const temp = join(partitionDir(this.#store.dataDir, name), `commit.parquet${tempSuffix}`);
    await spoolToParquet(this.#store.connection, spooled, temp);
    const file = {
      partition: name,
      temp,
      fromOffset: endOf(head),
      toOffset: spooled.toOffset,
      expected: spooled,
    };
    const next = await commitFile(this.#store, head, file);
    for (const { name: stored } of next.files)
      if (!head.files.some((known) => known.name === stored)) this.#whole.add(stored);
    this.#heads.set(name, next);
  }

  /** Compacts where needed. A failure is harmless: it is reported, and retried later or only by the next session. */
  async #compact(): Promise<void> {
    for (const name of this.#heads.keys()) {
      if (this.#compacting.signal.aborted || this.#elapsedMs() < (this.#compactableFrom.get(name) ?? 0))
        continue;
      try {
        await this.#compactPartition(name);
      } catch (error) {
        if (hasCode(error, 'master.conflict')) throw error;
        if (this.#compacting.signal.aborted) return; // it was aborted
        this.#compactableFrom.set(name, isPassing(error) ? this.#elapsedMs() + compactionPauseMs : Infinity);
        this.#options.onProblem?.(error);
      }
    }
  }

  async #compactPartition(name: PartitionName): Promise<void> {
    const { dataDir, root, shared } = this.#store;
    const before = this.#headOf(name);
    const { limits = compactionLimits } = this.#options;
    const compacted = await compactOnce(this.#store, name, before, limits, this.#compacting.signal);
    if (compacted !== undefined) this.#heads.set(name, compacted);
    const head = this.#headOf(name);
    for (const file of head.files) if (!before.files.includes(file)) this.#whole.add(file.name);
    if (head.number === this.#firstNumbers.get(name)) return; // see sweep.ts: a manifest comes before a removal
    if (shared !== undefined) await shared.tidy(name, head);
    else await removeDeadFiles(dataDir, name, head, deadFiles(dataDir, root, name, head), this.#whole);
    removeOldManifests(dataDir, root, name, head);
  }

  #headOf(name: PartitionName): ChainHead {
    const head = this.#heads.get(name);
    if (head === undefined)
      throw new SwaError('internal.invariant', `the master dataset has no manifests of partition ${name}`);
    return head;
  }
}

function stalled(position: Offsets, until: Offsets): SwaError {
  return new SwaError(
    'log.unavailable',
    `the log reader stalled for ${stallMs} ms before the end of the log`,
    {
      retryable: true,
      context: { position, until },
    },
  );
}

/** Returns true if a retry may succeed: the disk is full or unavailable, or the log cannot be reached. */
export function isPassing(error: unknown): boolean {
  if (error instanceof SwaError) return error.retryable;
  return ['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EMFILE', 'ENFILE', 'EROFS'].includes(systemCode(error) ?? '');
}
