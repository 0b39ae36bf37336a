/**
 * Any interleaving of append, sink, compaction, crash, restart and readers keeps the dataset intact, on the real file
 * system. A crash is simulated by copying the directory at that step and restoring the copy.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Offsets } from '../../log/log.js';
import { reaches } from '../../log/cut.js';
import { commitSteps, type OnStep } from '../commit.js';
import { masterDir, pinsDir } from '../layout.js';
import { pinSnapshot, type PinnedSnapshot } from '../pins.js';
import { SinkSession } from '../sink-session.js';
import { masterCut, takeSnapshot, verifySnapshotFiles } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { equiv, makeFixture, pageview, readRows, type Fixture } from './fixture.js';
import { rounds } from '../../test/rounds.js';

type Command =
  | { readonly do: 'append'; readonly pageviews: number; readonly equivs: number }
  | { readonly do: 'sink'; readonly maxRows: number; readonly crash: Crash | undefined }
  | { readonly do: 'pin' }
  | { readonly do: 'release' };

interface Crash {
  readonly step: (typeof commitSteps)[number];
  readonly time: number;
}

const crash = fc.record({ step: fc.constantFrom(...commitSteps), time: fc.integer({ min: 1, max: 5 }) });
const commands = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('append' as const), pageviews: fc.nat(30), equivs: fc.nat(4) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('sink' as const),
        maxRows: fc.integer({ min: 1, max: 12 }),
        crash: fc.option(crash, { nil: undefined }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pin' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
  ),
  { minLength: 3, maxLength: 14 },
);

class Scene {
  readonly #fixture: Fixture;
  readonly #eventIds = new Set<string>();
  readonly #pins: { readonly pinned: PinnedSnapshot; readonly rows: number }[] = [];
  #cut: Partial<Offsets> = {};

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  async run(command: Command): Promise<void> {
    const { dataDir } = this.#fixture;
    if (command.do === 'append') await this.#append(command.pageviews, command.equivs);
    if (command.do === 'sink') await this.#sink(command.maxRows, command.crash);
    if (command.do === 'pin' && masterCut(dataDir) !== undefined) {
      const pinned = pinSnapshot(dataDir, 'test');
      this.#pins.push({ pinned, rows: pinned.snapshot.files.reduce((sum, file) => sum + file.rows, 0) });
    }
    if (command.do === 'release') this.#pins.shift()?.pinned.release();
  }

  /** The invariants after every command. */
  async check(): Promise<void> {
    const { dataDir, log } = this.#fixture;
    const cut = masterCut(dataDir);
    if (cut === undefined) return;
    assert.ok(reaches(cut.next, this.#cut), 'the cut went back');
    this.#cut = cut.next;
    assert.deepEqual((await verifyMaster(dataDir, log)).problems, []);
    for (const { pinned } of this.#pins) await verifySnapshotFiles(pinned.snapshot);
  }

  /** The invariants after a sink has finished. */
  async checkAll(): Promise<void> {
    await this.#sink(1000, undefined);
    await this.check();
    const { files, cut } = takeSnapshot(this.#fixture.dataDir);
    assert.deepEqual(cut.next, await this.#fixture.log.latest());
    const rows = [...(await readRows(files, 'pageviews')), ...(await readRows(files, 'equivs'))];
    assert.equal(rows.length, this.#eventIds.size);
    assert.deepEqual(new Set(rows.map((row) => row['event_id'])), this.#eventIds);
    for (const { pinned } of this.#pins) pinned.release();
  }

  async #append(pageviews: number, equivs: number): Promise<void> {
    const first = this.#eventIds.size;
    const facts = [
      ...Array.from({ length: pageviews }, (_, i) => pageview(first + i)),
      ...Array.from({ length: equivs }, (_, i) => equiv(first + pageviews + i)),
    ];
    await this.#fixture.append(facts);
    for (const fact of facts) this.#eventIds.add(fact.eventId);
  }

  async #sink(maxRows: number, at: Crash | undefined): Promise<void> {
    const { dataDir, log } = this.#fixture;
    const crashed = new CrashedDisk(dataDir, at);
    let session: SinkSession | undefined;
    try {
      session = await SinkSession.open({
        dataDir,
        log,
        maxRows,
        intervalMs: 60_000,
        limits: { fanIn: 3, maxRows: 60, maxBytes: 1e9 },
        onStep: crashed.onStep,
        onProblem: (error) => {
          throw error;
        },
      });
      await session.run({ signal: new AbortController().signal, until: await log.latest() });
    } catch (error) {
      if (error !== crashed.crash) throw error;
    } finally {
      await session?.close();
    }
    crashed.restore();
  }
}

/** Keeps what the disk held at the n-th time of a step, and fails there. */
class CrashedDisk {
  readonly crash = new Error('crash');
  readonly #dir: string;
  readonly #pins: string;
  readonly #copy: string;
  readonly #at: Crash | undefined;
  #times = 0;

  constructor(dataDir: string, at: Crash | undefined) {
    this.#dir = masterDir(dataDir);
    this.#pins = pinsDir(dataDir);
    this.#copy = join(dataDir, 'at-crash');
    this.#at = at;
  }

  readonly onStep: OnStep = (step) => {
    if (step !== this.#at?.step || ++this.#times !== this.#at.time) return;
    cpSync(this.#dir, this.#copy, { recursive: true });
    throw this.crash;
  };

  restore(): void {
    if (this.#at === undefined || this.#times < this.#at.time) return;
    // Readers outlive the sink's crash: their locks are on the files that are there now, not on copies.
    const copied = join(this.#copy, basename(this.#pins));
    if (existsSync(this.#pins)) {
      rmSync(copied, { recursive: true, force: true });
      renameSync(this.#pins, copied);
    }
    rmSync(this.#dir, { recursive: true });
    renameSync(this.#copy, this.#dir);
  }
}

test('any interleaving of append, sink, compaction, crash and readers keeps every fact once', async (t) => {
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      const fixture = await makeFixture(t, { partitions: 2 });
      const scene = new Scene(fixture);
      for (const command of list) {
        await scene.run(command);
        await scene.check();
      }
      await scene.checkAll();
    }),
    { numRuns: rounds(6, 20) },
  );
});
