/** A speed layer in a temporary directory, over a log in memory and oracle batch views that the test publishes. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import type { Fact } from '../../facts/fact.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { reaches, zeroOffsets } from '../../log/cut.js';
import type { Offsets } from '../../log/log.js';
import { fixedShare } from '../../log/share.js';
import type { BatchView, LocalRealtimeView, ViewId } from '../../facts/views/view.js';
import { oracleView } from '../../test/oracle/batch-view.js';
import { assertRealtimeEquals } from '../../test/oracle/compare.js';
import { ledgerOf } from '../../test/oracle/ledger.js';
import { realtimeTally } from '../../test/oracle/layers.js';
import type { Tally } from '../../test/oracle/oracle.js';
import { openRealtime, type Realtime } from '../store/read-side.js';
import { CellSubject } from '../store/cell-subject.js';
import { cellKey } from '../store/cell-key.js';
import { edgeRange } from '../store/edge-block.js';
import { readPointer, storeDir, type Pointer } from '../store/layout.js';
import { CommitThread } from '../store/commit-thread.js';
import { openDatabase } from '../store/store-files.js';
import { SpeedWorker, type WorkerOptions } from '../generations/worker.js';
import { assertEdgesEqual } from './edges.js';
import { hour0, recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { eventually } from '../../test/eventually.js';
import { tempDirInMemory } from '../../test/temp-dir.js';

export const lgK = 12;
const dedupWindow = 1_000;
/** One per file: starting a thread takes longer than most tests here. */
const commits = new CommitThread();
after(() => commits.close());

export const genesis = 'v000000-00000000' as ViewId;

export interface Watch {
  /** Number of answers so far. */
  queries(): number;
  /** Rejects with the first wrong answer. */
  stop(): Promise<{ queries: number }>;
}

export class Harness {
  readonly dataDir: string;
  readonly log: MemoryLog;
  realtime: Realtime;
  readonly errors: unknown[] = [];
  readonly #views = new Map<ViewId, BatchView>();
  /** The last expected answer: most are at the same cut as the one before. */
  #oracle: { readonly name: string; readonly tally: Tally } | undefined;
  readonly #watches: AbortController[] = [];
  #current: ViewId;
  #running: { readonly stopping: AbortController; readonly done: Promise<void> }[] = [];

  constructor(t: TestContext, partitions = 2) {
    this.dataDir = tempDirInMemory('speed');
    this.log = new MemoryLog(partitions);
    this.realtime = openRealtime(this.dataDir);
    this.#current = this.publish(0, zeroOffsets(this.log.partitions));
    t.after(async () => {
      for (const watch of this.#watches) watch.abort();
      await this.stop();
      await this.realtime.close();
      rmSync(this.dataDir, { recursive: true, force: true });
    });
  }

  append(...facts: Fact[]): Promise<void> {
    return this.log.append(recordsOf(facts));
  }

  /** Runs an oracle batch at a cut (default: the end of the log) and makes it CURRENT. */
  publish(number: number, cut: Offsets = this.log.end()): ViewId {
    const view = oracleView(
      ledgerOf(this.log.records),
      { logId: this.log.id, next: cut },
      number,
      rules,
      lgK,
    );
    this.#views.set(view.meta.id, view);
    this.#current = view.meta.id;
    return view.meta.id;
  }

  /** Id of a published view. */
  published(number: number): ViewId {
    const id = [...this.#views.keys()].find((each) => this.view(each).meta.number === number);
    assert.ok(id !== undefined);
    return id;
  }

  rollBack(to: ViewId): void {
    this.#current = to;
  }

  /** Removes an old view, as the serving layer does. */
  forget(id: ViewId): void {
    this.#views.delete(id);
  }

  start(change: Partial<WorkerOptions> = {}): SpeedWorker {
    const worker = this.#worker(change);
    const stopping = new AbortController();
    const done = worker.run(stopping.signal);
    done.catch(() => undefined); // `stop` reports it
    this.#running.push({ stopping, done });
    return worker;
  }

  /** Runs another worker that is expected to end by itself. */
  runUntilDone(): Promise<void> {
    return this.#worker({}).run(AbortSignal.timeout(20_000));
  }

  #worker(change: Partial<WorkerOptions>): SpeedWorker {
    return new SpeedWorker({
      dataDir: this.dataDir,
      log: this.log,
      rules,
      hash: new KeyedHash(),
      clock: () => time0,
      monotonic: () => 0,
      lgK,
      dedupWindow,
      epochTuples: 50,
      bootId: 'this boot',
      commits,
      share: fixedShare(this.log.partitions, { members: 1, member: 0 }),
      current: () => this.#current,
      openView: (id) => this.view(id),
      holdViews: () => undefined,
      onProgress: () => undefined,
      onError: (error) => void this.errors.push(error),
      ...change,
    });
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    for (const { stopping } of running) stopping.abort();
    for (const { done } of running) await done;
  }

  view(id: ViewId): BatchView {
    const view = this.#views.get(id);
    if (view === undefined) throw new SwaError('view.missing', `no view ${id}`);
    return view;
  }

  /** The snapshot; undefined if there is none or it is being rebuilt. */
  snapshot(): LocalRealtimeView | undefined {
    const snapshot = this.#snapshotOrWait();
    return snapshot === 'wait' ? undefined : snapshot;
  }

  /** 'wait' if a query would get 503; undefined if the batch view answers alone. */
  #snapshotOrWait(): LocalRealtimeView | 'wait' | undefined {
    try {
      return this.realtime.snapshot();
    } catch (error) {
      if (error instanceof SwaError && error.retryable) return 'wait';
      throw error;
    }
  }

  /** Waits until `generation` answers with the whole log, and compares every cell with the oracle. */
  async untilCaughtUp(generation: ViewId): Promise<void> {
    await eventually(
      () => `${generation} to catch up; errors: ${this.errors.map(messageOf).join(', ')}`,
      () => {
        const snapshot = this.snapshot();
        if (snapshot === undefined) return false;
        try {
          const { cut } = snapshot;
          if (snapshot.generation !== generation || !reaches(cut.next, this.log.end())) return false;
          this.#compareWith(snapshot);
          return true;
        } catch (error) {
          if (error instanceof SwaError && error.retryable) return false;
          throw error;
        } finally {
          snapshot.release();
        }
      },
    );
  }

  /** Compares the current snapshot with the oracle at its cut. */
  compare(): LocalRealtimeView['cut'] {
    const snapshot = this.realtime.snapshot();
    assert.ok(snapshot !== undefined);
    this.#compareWith(snapshot);
    snapshot.release();
    return snapshot.cut;
  }

  pointer(): Pointer | undefined {
    return readPointer(this.dataDir);
  }

  /** Makes queries use this one, and closes the other. */
  useRealtime(realtime: Realtime): void {
    this.realtime = realtime;
  }

  /**
   * Queries until it is stopped: compares each snapshot with the oracle at its cut, and requires that no cut is before an earlier one. While
   * generation and cut do not change, it pauses for up to 16 ms.
   *
   * @param isAlways whether each answer must have a realtime view
   */
  watch(from: Partial<Offsets> = {}, isAlways = false): Watch {
    let reached = from;
    let queries = 0;
    const watch = new AbortController();
    const stopping = watch.signal;
    this.#watches.push(watch);
    const loop = async (): Promise<void> => {
      let [pauseMs, last] = [1, ''];
      while (!stopping.aborted) {
        await sleep(pauseMs);
        const snapshot = this.#snapshotOrWait();
        if (snapshot === 'wait') continue;
        if (snapshot === undefined) {
          assert.ok(!isAlways, 'answers are of the batch view alone');
          continue;
        }
        try {
          assert.ok(
            reaches(snapshot.cut.next, reached),
            `${JSON.stringify(snapshot.cut.next)} after ${JSON.stringify(reached)}`,
          );
          reached = snapshot.cut.next;
          this.#compareWith(snapshot);
          const at = JSON.stringify([snapshot.generation, reached]);
          pauseMs = at === last ? Math.min(2 * pauseMs, 16) : 1;
          last = at;
          queries++;
        } catch (error) {
          if (!(error instanceof SwaError && error.retryable)) throw error;
        } finally {
          snapshot.release();
        }
      }
    };
    const done = loop();
    done.catch(() => undefined); // `stop` reports it
    return {
      queries: () => queries,
      stop: async () => {
        watch.abort();
        await done;
        return { queries };
      },
    };
  }

  #compareWith(snapshot: LocalRealtimeView): void {
    const view = this.view(snapshot.generation);
    const { next } = snapshot.cut;
    const name = JSON.stringify([snapshot.generation, next]);
    if (this.#oracle?.name !== name) {
      const personOf = (visitor: string): string => view.personOf(visitor);
      const generation = { from: view.meta.cut.next, personOf, window: dedupWindow, rules };
      this.#oracle = { name, tally: realtimeTally(ledgerOf(this.log.records), generation, next) };
    }
    assertRealtimeEquals(snapshot, this.#oracle.tally, lgK);
    assertEdgesEqual(snapshot, this.log.records, view.meta.cut.next);
  }

  /** Flips a bit in the first block of edges. */
  async damageEdges(generation: ViewId): Promise<void> {
    const db = openDatabase(storeDir(this.dataDir, generation, 'equivs/0'));
    for (const { key, value } of db.getRange({ ...edgeRange(0), limit: 1 })) {
      const changed = Buffer.from(value);
      changed[17] = (changed[17] ?? 0) ^ 1;
      db.putSync(Buffer.from(key), changed);
    }
    await db.close();
  }

  /** Flips a bit in the cells of a page, directly in the store. */
  async damageCells(generation: ViewId, url: string): Promise<void> {
    for (const partition of this.log.partitions) {
      const db = openDatabase(storeDir(this.dataDir, generation, partition));
      const key = cellKey(CellSubject.page(url), hour0);
      const value = db.get(key);
      if (value !== undefined) {
        const changed = Buffer.from(value);
        changed[17] = (changed[17] ?? 0) ^ 1;
        db.putSync(key, changed);
      }
      await db.close();
    }
  }

  /** True if reading everything meets a damaged cell. */
  readsFail(): boolean {
    const snapshot = this.snapshot();
    if (snapshot === undefined) return true;
    try {
      this.#compareWith(snapshot);
      return false;
    } catch (error) {
      if (error instanceof SwaError && error.retryable) return true;
      throw error;
    } finally {
      snapshot.release();
    }
  }

  hasFiles(generation: ViewId): boolean {
    return existsSync(join(this.dataDir, 'speed', generation));
  }
}
