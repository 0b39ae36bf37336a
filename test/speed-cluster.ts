/**
 * Speed workers as processes of their own on one data directory, for tests that kill them. The ledger of all facts is
 * kept in this process, which also writes the log; the realtime view can be held against the oracle at any moment, and
 * no cut may lie behind an earlier one.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../lib/time/clock.js';
import { configWith, type Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors/errors.js';
import type { Fact } from '../facts/fact.js';
import { namesOf, offsetAt, reaches } from '../log/cut.js';
import type { LogWriter, Offsets } from '../log/log.js';
import { openLogWriter } from '../log/open-log.js';
import { PackedTexts } from '../lib/memory/packed-texts.js';
import type { LocalRealtimeView, ViewId } from '../facts/views/view.js';
import { codeVersion } from '../serving/code-version.js';
import { writeIdentity } from '../serving/identity.js';
import { emptyCells, newBuildingDir, openView, publish } from '../serving/store.js';
import { ViewWriter } from '../serving/view-writer.js';
import { openRealtime, type Realtime } from '../speed/store/read-side.js';
import { readPointer } from '../speed/store/layout.js';
import { equiv, pageview, recordsOf, rules } from '../speed/test/facts.js';
import { MemoryLog } from '../speed/test/memory-log.js';
import { assertRealtimeEquals } from './oracle/compare.js';
import { realtimeTally } from './oracle/layers.js';
import { ledgerOf } from './oracle/ledger.js';
import { eventually } from './eventually.js';
import { tempDir } from './temp-dir.js';

const main = fileURLToPath(new URL('../speed/main.js', import.meta.url));

export interface SpeedClusterOptions {
  readonly seed: number;
  /** What differs from the defaults; a data directory is made. */
  readonly change: Partial<Config>;
  /** Environment of a worker besides what all of them get. */
  readonly envOf: (worker: number) => Readonly<Record<string, string>>;
  /** Pause between two batches of ten facts. */
  readonly feedEveryMs: number;
}

export class SpeedCluster {
  readonly ledger: MemoryLog;
  compared = 0;
  readonly dataDir: string;
  readonly #options: SpeedClusterOptions;
  readonly #config: Config;
  readonly #writer: LogWriter;
  readonly #realtime: Realtime;
  readonly #children: (ChildProcess | undefined)[] = [];
  /** What each worker has written to stderr. */
  readonly #stderr: string[] = [];
  readonly #feeding = new AbortController();
  readonly #fed: Promise<void>;
  #state: number;
  #reached: Partial<Offsets> = {};

  static async open(t: TestContext, options: SpeedClusterOptions): Promise<SpeedCluster> {
    const dataDir = tempDir('workers');
    const config = configWith({ partitions: 4, lgK: 11, ...options.change, dataDir });
    const cluster = new SpeedCluster(options, config, await openLogWriter(config, systemClock));
    t.after(async () => {
      await cluster.#close();
      rmSync(dataDir, { recursive: true, force: true });
    });
    return cluster;
  }

  private constructor(options: SpeedClusterOptions, config: Config, writer: LogWriter) {
    this.dataDir = config.dataDir;
    this.#options = options;
    this.#state = options.seed;
    this.#config = config;
    this.#writer = writer;
    this.ledger = new MemoryLog(config.partitions);
    this.#realtime = openRealtime(config.dataDir);
    this.#fed = this.#feed();
    this.#fed.catch(() => undefined); // `stopFeeding` reports it
  }

  /** A number in [0, 1), the same again for the same seed. */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }

  start(worker: number): void {
    const { dataDir, partitions, lgK } = this.#config;
    const child = spawn(process.execPath, [main], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        SWA_DATA_DIR: dataDir,
        SWA_PARTITIONS: String(partitions),
        SWA_LG_K: String(lgK),
        SWA_SPEED_EPOCH_TUPLES: '60',
        SWA_LOG_LEVEL: 'error',
        ...this.#options.envOf(worker),
      },
    });
    this.#children[worker] = child;
    this.#stderr[worker] = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr[worker] += text));
  }

  /** Ends it as a crash does. */
  async kill(worker: number): Promise<void> {
    assert.deepEqual(await this.#end(worker, 'SIGKILL'), [null, 'SIGKILL']);
  }

  /** Ends it as an operator does. */
  async stop(worker: number): Promise<void> {
    assert.deepEqual(await this.#end(worker, 'SIGTERM'), [0, null]);
  }

  /** It stands still, as when its machine does, until SIGCONT. */
  signal(worker: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child(worker).kill(signal);
  }

  pid(worker: number): number {
    return this.#child(worker).pid ?? 0;
  }

  #child(worker: number): ChildProcess {
    const child = this.#children[worker];
    assert.ok(child !== undefined);
    assert.equal(child.exitCode, null, `worker ${worker} has ended unexpectedly: ${this.#stderr[worker]}`);
    return child;
  }

  async #end(worker: number, signal: NodeJS.Signals): Promise<unknown[]> {
    const child = this.#child(worker);
    const ended = once(child, 'exit');
    child.kill(signal);
    this.#children[worker] = undefined;
    return ended;
  }

  /** An otherwise empty batch view with a mapping of its own: the realtime view is what is looked at here. */
  async publish(number: number, next: Offsets): Promise<ViewId> {
    const { dataDir, lgK } = this.#config;
    const building = newBuildingDir(dataDir, 'test');
    const writer = new ViewWriter(building, []);
    const ids = ['cookie:1', 'cookie:2', `cookie:${number}`].filter((id, i, all) => all.indexOf(id) === i);
    const parts = {
      identity: await writeIdentity(writer.identityPath, PackedTexts.of(ids), [ids.keys()]),
      cells: await emptyCells(writer, []),
    };
    const counts = { pageviews: 0, pages: 0, domains: 0, values: {}, persons: 0, mappedIds: ids.length - 1 };
    const cut = { logId: this.#writer.id, next };
    const about = {
      cut,
      lgK,
      bucketMinutes: 60 as const,
      rules: rules.versions,
      maxPersonIds: 0,
      gaps: [],
      createdAt: 0,
      number,
      codeVersion,
      counts,
    };
    const meta = await writer.finish(about, parts);
    publish(dataDir, building, meta);
    return meta.view.id;
  }

  async untilNext(view: ViewId): Promise<void> {
    await eventually(`the hand-over to ${view} to begin`, () => {
      const pointer = readPointer(this.#config.dataDir);
      return pointer?.next === view || pointer?.serving === view || undefined;
    });
  }

  async untilServing(view: ViewId | undefined): Promise<void> {
    await eventually(`${view ?? 'anything'} to serve`, () => {
      this.compare();
      const serving = readPointer(this.#config.dataDir)?.serving;
      return (view === undefined ? serving !== undefined : serving === view) || undefined;
    });
  }

  /** Waits until more has been written than the cut holds. */
  async untilPast(cut: Offsets): Promise<void> {
    const least = this.#total(cut) + 400;
    await eventually('facts after the cut', () => this.#total(this.ledger.end()) >= least || undefined);
  }

  async untilEqualAtEnd(): Promise<void> {
    const end = await this.#writer.latest();
    assert.deepEqual(end, this.ledger.end(), 'the ledger is the log');
    await this.untilReached(end);
  }

  async untilReached(cut: Offsets): Promise<void> {
    await eventually('the realtime view to get there', () => {
      this.compare();
      return reaches(this.#reached, cut) || undefined;
    });
  }

  /** Compares the realtime view with the oracle, unless there is none to see right now. */
  compare(): void {
    const snapshot = this.#snapshot();
    if (snapshot === undefined) return;
    try {
      const { next } = snapshot.cut;
      assert.ok(
        reaches(next, this.#reached),
        `${JSON.stringify([next])} after ${JSON.stringify(this.#reached)}`,
      );
      this.#reached = next;
      const batch = openView(this.#config.dataDir, snapshot.generation);
      const personOf = (visitor: string): string => batch.personOf(visitor);
      const generation = { from: batch.meta.cut.next, personOf, window: this.#config.dedupWindow, rules };
      const expected = realtimeTally(ledgerOf(this.ledger.records), generation, next);
      assertRealtimeEquals(snapshot, expected, this.#config.lgK);
      batch.close();
      this.compared++;
    } finally {
      snapshot.release();
    }
  }

  async stopFeeding(): Promise<void> {
    this.#feeding.abort();
    await this.#fed;
  }

  async stopWorkers(): Promise<void> {
    for (const [worker, child] of this.#children.entries()) if (child !== undefined) await this.stop(worker);
  }

  #snapshot(): LocalRealtimeView | undefined {
    try {
      return this.#realtime.snapshot();
    } catch (error) {
      if (error instanceof SwaError && error.retryable) return undefined;
      throw error;
    }
  }

  #total(offsets: Offsets): number {
    return namesOf(offsets).reduce((sum, name) => sum + offsetAt(offsets, name), 0);
  }

  async #feed(): Promise<void> {
    for (let i = 0; !this.#feeding.signal.aborted; i++) {
      const records = recordsOf(traffic(i));
      await this.ledger.append(records); // first: readers may see a record before its append returns
      await this.#writer.append(records);
      await delay(this.#options.feedEveryMs);
    }
  }

  async #close(): Promise<void> {
    this.#feeding.abort();
    await this.#fed.catch(() => undefined); // the test has failed by it already
    for (const child of this.#children) child?.kill('SIGKILL');
    await this.#realtime.close();
    await this.#writer.close();
  }
}

/** Ten facts: views of few pages by few people, some late, one repeated at once and one from long before. */
function traffic(i: number): Fact[] {
  const views = Array.from({ length: 8 }, (_, k) => {
    const late = k === 3 ? { timestamp: 1_700_000_000_000 } : {};
    return pageview(`cookie:${(i * 3 + k * 5) % 40}`, `http://example.com/${(i + k) % 12}`, late);
  });
  const again = pageview('cookie:1', 'http://example.com/again', { eventId: `again-${i % 50}` });
  return [...views, ...views.slice(0, 1), again, equiv(`cookie:${i % 40}`, `cookie:${(i + 1) % 40}`)];
}
