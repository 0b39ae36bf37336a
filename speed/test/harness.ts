/** A speed layer in a temp directory, over a log in memory and oracle batch views that the test publishes. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError } from '../../lib/errors.js';
import type { Fact } from '../../lib/facts/fact.js';
import { zeroOffsets } from '../../lib/log/cut.js';
import type { Offsets } from '../../lib/log/log.js';
import type { BatchView, RealtimeView, ViewId } from '../../lib/views/view.js';
import { openRealtime, type Realtime } from '../read-side.js';
import { SpeedWorker, type WorkerOptions } from '../worker.js';
import { assertRealtimeEquals } from './compare.js';
import { recordsOf, rules, time0 } from './facts.js';
import { MemoryLog } from './memory-log.js';
import { countedBetween, oracleView } from './oracle.js';

export const lgK = 12;

export class Harness {
  readonly dataDir: string;
  readonly log: MemoryLog;
  readonly realtime: Realtime;
  readonly errors: unknown[] = [];
  readonly #views = new Map<ViewId, BatchView>();
  #current: ViewId;
  #running: { readonly stopping: AbortController; readonly done: Promise<void> }[] = [];

  constructor(t: TestContext, partitions = 2) {
    this.dataDir = mkdtempSync(join(tmpdir(), 'swa-speed-'));
    this.log = new MemoryLog(partitions);
    this.realtime = openRealtime(this.dataDir);
    this.#current = this.publish(0, zeroOffsets(this.log.partitions));
    t.after(async () => {
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
    const view = oracleView(this.log.records, { logId: this.log.id, next: cut }, number, rules, lgK);
    this.#views.set(view.meta.id, view);
    this.#current = view.meta.id;
    return view.meta.id;
  }

  rollBack(to: ViewId): void {
    this.#current = to;
  }

  /** As the serving layer does with old views. */
  forget(id: ViewId): void {
    this.#views.delete(id);
  }

  start(change: Partial<WorkerOptions> = {}): SpeedWorker {
    const worker = new SpeedWorker({
      dataDir: this.dataDir,
      log: this.log,
      rules,
      clock: () => time0,
      lgK,
      dedupWindow: 1_000,
      epochTuples: 50,
      cacheBytes: 2 ** 20,
      bootId: 'this boot',
      workers: 1,
      worker: 0,
      current: () => this.#current,
      openView: (id) => this.view(id),
      onProgress: () => undefined,
      onError: (error) => void this.errors.push(error),
      ...change,
    });
    const stopping = new AbortController();
    const done = worker.run(stopping.signal);
    done.catch(() => undefined); // `stop` reports it
    this.#running.push({ stopping, done });
    return worker;
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

  /** The snapshot, or undefined when there is none or it is being made again. */
  snapshot(): RealtimeView | undefined {
    try {
      return this.realtime.snapshot();
    } catch (error) {
      if (error instanceof SwaError && error.retryable) return undefined;
      throw error;
    }
  }

  /** Waits until `generation` answers with all of the log, and compares every cell with the oracle. */
  async untilCaughtUp(generation: ViewId): Promise<void> {
    await until(() => {
      const snapshot = this.snapshot();
      if (snapshot === undefined) return false;
      try {
        return (
          snapshot.generation === generation &&
          JSON.stringify(snapshot.cut.next) === JSON.stringify(this.log.end())
        );
      } finally {
        snapshot.release();
      }
    }, `${generation} to catch up`);
    this.compare();
  }

  /** Compares what is there now with the oracle at the cut it names. */
  compare(): RealtimeView['cut'] {
    const snapshot = this.realtime.snapshot();
    assert.ok(snapshot !== undefined);
    const view = this.view(snapshot.generation);
    const expected = countedBetween(
      this.log.records,
      view.meta.cut.next,
      snapshot.cut.next,
      (visitor) => view.personOf(visitor),
      rules,
    );
    assertRealtimeEquals(snapshot, expected, lgK);
    snapshot.release();
    return snapshot.cut;
  }

  hasFiles(generation: ViewId): boolean {
    return existsSync(join(this.dataDir, 'speed', generation));
  }
}

/** Waits for a condition, at most 20 s. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await sleep(2);
  }
}
