/**
 * Two speed workers as processes of their own on one data directory, killed again and again at random moments, also
 * while a hand-over runs. The ledger of all facts is kept in this process, which also writes the log: at sampled moments
 * and at the end the realtime view must equal the oracle at the cut it names, and no cut may lie behind an earlier one.
 * RUNS= makes more rounds.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../lib/clock.js';
import { configWith, type Config } from '../lib/config/config.js';
import { SwaError } from '../lib/errors.js';
import type { Fact } from '../lib/facts/fact.js';
import { namesOf, offsetAt, reaches } from '../lib/log/cut.js';
import type { LogWriter, Offsets } from '../lib/log/log.js';
import { openLogWriter } from '../lib/log/open-log.js';
import type { RealtimeView, ViewId } from '../lib/views/view.js';
import { CellFile } from '../serving/cell-file.js';
import { codeVersion } from '../serving/code-version.js';
import { newBuildingDir, openView, publish } from '../serving/store.js';
import { ViewWriter } from '../serving/view-writer.js';
import { openRealtime, type Realtime } from '../speed/read-side.js';
import { readPointer } from '../speed/store/layout.js';
import { assertRealtimeEquals } from '../speed/test/compare.js';
import { equiv, pageview, recordsOf, rules } from '../speed/test/facts.js';
import { MemoryLog } from '../speed/test/memory-log.js';
import { countedBetween } from '../speed/test/oracle.js';
import { eventually } from './running-system.js';

const main = fileURLToPath(new URL('../speed/main.js', import.meta.url));
const rounds = Number(process.env['RUNS'] ?? 12);
const workers = 2;
const handOverEvery = 3;
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test(`${workers} speed workers, ${rounds} kills: the realtime view is the oracle's at every cut, and none goes back (seed ${seed})`, async (t) => {
  const house = await House.open(t);
  for (let worker = 0; worker < workers; worker++) house.start(worker);
  await house.untilServing(undefined);
  for (let round = 1; round <= rounds; round++) {
    const handsOver = round % handOverEvery === 0;
    const cut = house.ledger.end();
    if (handsOver) await house.untilPast(cut);
    const view = handsOver ? await house.publish(round, cut) : undefined;
    if (view !== undefined) await house.untilNext(view);
    const victim = handsOver ? 0 : Math.floor(house.random() * workers);
    if (!handsOver && house.random() < 0.7) await house.untilReached(cut); // else perhaps while one is starting
    await delay(house.random() * (handsOver ? 80 : 400));
    await house.kill(victim);
    house.compare();
    house.start(victim);
    if (view !== undefined) await house.untilServing(view);
    house.compare();
  }
  await house.stopFeeding();
  await house.untilEqualAtEnd();
  assert.ok(house.compared > rounds, `${house.compared} comparisons`);
  await house.stopWorkers();
});

class House {
  readonly ledger: MemoryLog;
  compared = 0;
  readonly #config: Config;
  readonly #writer: LogWriter;
  readonly #realtime: Realtime;
  readonly #children: (ChildProcess | undefined)[] = [];
  readonly #feeding = new AbortController();
  readonly #fed: Promise<void>;
  #state = seed;
  #reached: Partial<Offsets> = {};

  static async open(t: TestContext): Promise<House> {
    const dataDir = mkdtempSync(join(tmpdir(), 'swa-workers-'));
    const config = configWith({ dataDir, partitions: 4, lgK: 11 });
    const house = new House(config, await openLogWriter(config, systemClock));
    t.after(async () => {
      await house.#close();
      rmSync(dataDir, { recursive: true, force: true });
    });
    return house;
  }

  private constructor(config: Config, writer: LogWriter) {
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
    this.#children[worker] = spawn(process.execPath, [main], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        SWA_DATA_DIR: dataDir,
        SWA_PARTITIONS: String(partitions),
        SWA_LG_K: String(lgK),
        SWA_SPEED_WORKERS: String(workers),
        SWA_SPEED_WORKER: String(worker),
        SWA_SPEED_EPOCH_TUPLES: '60',
        SWA_LOG_LEVEL: 'error',
      },
    });
  }

  async kill(worker: number): Promise<void> {
    const child = this.#children[worker];
    assert.ok(child !== undefined);
    assert.equal(child.exitCode, null, `worker ${worker} has ended by itself`);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    this.#children[worker] = undefined;
  }

  /** An otherwise empty batch view with a mapping of its own: the realtime view is what is looked at here. */
  async publish(number: number, next: Offsets): Promise<ViewId> {
    const { dataDir, lgK } = this.#config;
    const building = newBuildingDir(dataDir, 'test');
    const writer = new ViewWriter(building);
    const ids = ['cookie:1', 'cookie:2', `cookie:${number}`].filter((id, i, all) => all.indexOf(id) === i);
    for (const id of ids.slice(1)) writer.mapping(id, 'cookie:1');
    writer.members('cookie:1', ids);
    const cells = {
      pages: new CellFile(writer.cellsPath('pages')).close(),
      domains: new CellFile(writer.cellsPath('domains')).close(),
    };
    const counts = { pageviews: 0, pages: 0, domains: 0, persons: 0, mappedIds: ids.length - 1 };
    const cut = { logId: this.#writer.id, next };
    const about = { cut, lgK, rules: rules.versions, createdAt: 0, number, codeVersion, counts };
    const meta = await writer.finish(about, cells);
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
      const expected = countedBetween(this.ledger.records, batch.meta.cut.next, next, personOf, rules);
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
    for (const child of this.#children) {
      if (child === undefined) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      assert.deepEqual(await ended, [0, null]);
    }
    this.#children.length = 0;
  }

  #snapshot(): RealtimeView | undefined {
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
      await delay(15);
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
