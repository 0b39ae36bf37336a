/**
 * Layers in which one call fails: every call of a small workload in turn (a write, sync, rename, link, truncation, removal
 * or creation), with EIO, with ENOSPC, after half of the bytes, or short. The process may fail and say so, but not crash or hang;
 * nothing it acknowledged is lost, what lies on the disk was synced in order, and without the fault the work can be done.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runBatch } from '../../batch/run.js';
import { systemClock } from '../../lib/time/clock.js';
import { openLogWriter } from '../../log/open-log.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { openView } from '../../serving/store.js';
import { readCurrent } from '../../serving/current.js';
import { assertViewEquals } from '../oracle/compare.js';
import { checkHistory } from './checker.js';
import { History } from './history.js';
import { readLog, readMasterRows, withDropped } from './system-under-test.js';
import type { Layer, LayerRun } from './layer.js';
import type { Random } from './load.js';
import { assertInOrder, checkOrder } from './order.js';
import { Shim, ops, shimSkip, type Op, type Order } from './shim.js';
import { assertNone } from './trial.js';
import { workloadConfig, workloadFact, workloadRules, type WorkloadPart } from './workload-facts.js';
import { tempDir } from '../temp-dir.js';

const workload = fileURLToPath(new URL('workload.js', import.meta.url));

/** A process that takes longer hangs. */
const hangsMs = 60_000;

interface Failure extends Order {
  readonly name: string;
}

const space: readonly Op[] = ['write', 'sync', 'rename', 'link', 'mkdir', 'create'];
const failures: readonly Failure[] = [
  { name: 'EIO', ops, action: 'fail', error: 'EIO' },
  { name: 'ENOSPC', ops: space, action: 'fail', error: 'ENOSPC' },
  { name: 'a short write', ops: ['write'], action: 'short' },
  { name: 'half a write, then ENOSPC', ops: ['write'], action: 'torn', error: 'ENOSPC' },
  { name: 'ENOSPC from then on', ops: space, action: 'fail', error: 'ENOSPC', sticky: true },
];

interface Under {
  readonly name: string;
  /** Done well before. */
  readonly prepared: readonly WorkloadPart[];
  /** In which the call fails. */
  readonly parts: readonly WorkloadPart[];
  readonly rounds: number;
}

const under: readonly Under[] = [
  { name: 'the log', prepared: [], parts: ['log'], rounds: 8 },
  { name: 'the sink', prepared: ['log'], parts: ['sink'], rounds: 4 },
  { name: 'a batch run', prepared: ['log', 'sink', 'batch', 'log', 'sink'], parts: ['batch'], rounds: 4 },
  {
    name: 'trimming, pointers and jobs',
    prepared: ['log', 'sink', 'batch', 'log', 'sink', 'batch'],
    parts: ['trim', 'log', 'pointers', 'jobs'],
    rounds: 4,
  },
];

class FailingCalls implements LayerRun {
  readonly #under: Under;
  readonly #seed: number;
  readonly #base: string;
  readonly #dataDir: string;
  readonly #shim: Shim;
  readonly #prepared: History;
  /** Calls of each failure's kind in a run that goes well. */
  readonly #calls: readonly number[];

  static open(t: TestContext, what: Under, seed: number): FailingCalls {
    const base = tempDir('calls');
    const calls = new FailingCalls(t, what, seed, base);
    const counts = failures.map(({ name }, i) => `${calls.#calls[i]} for ${name}`);
    t.diagnostic(`calls: ${counts.join(', ')}`);
    return calls;
  }

  private constructor(t: TestContext, what: Under, seed: number, base: string) {
    this.#seed = seed;
    this.#under = what;
    this.#base = base;
    this.#dataDir = join(base, 'data');
    this.#shim = new Shim(t, this.#dataDir);
    this.#prepared = new History();
    if (what.prepared.length > 0) this.#work(what.prepared, this.#prepared);
    if (existsSync(this.#dataDir)) cpSync(this.#dataDir, this.#preparedDir, { recursive: true });
    this.#restore();
    this.#shim.arm({ ops: [], action: 'fail' });
    this.#work(what.parts, new History());
    this.#calls = failures.map((failure) => this.#shim.calls(failure.ops));
  }

  get maxRounds(): number {
    return this.#calls.reduce((sum, count) => sum + count, 0);
  }

  /** Another call in each round, far from the one before, until all have been tried with each failure. */
  async round(_random: Random, number: number): Promise<boolean> {
    const total = this.maxRounds;
    let index = (this.#seed + number * strideOf(total)) % total;
    let kind = 0;
    while (index >= (this.#calls[kind] ?? 0)) index -= this.#calls[kind++] ?? 0;
    const failure = failures[kind];
    assert.ok(failure !== undefined);
    const what = `call ${index + 1} of ${this.#under.name}: ${failure.name}`;
    this.#restore();
    const history = copyOf(this.#prepared);
    this.#shim.arm({ ...failure, time: index + 1 });
    const end = this.#work(this.#under.parts, history);
    const { fired } = this.#shim;
    this.#shim.disarm();
    try {
      assert.match(end, /^0|^1: .*(EIO|ENOSPC|No space|Input\/output|I\/O|full)/is, 'how the process ended');
      assertInOrder(checkOrder(this.#shim.events(), this.#dataDir, false));
      await this.#finish(history);
    } catch (error) {
      throw new Error(
        `${what}: ${error instanceof Error ? error.message : String(error)}\nthe process: ${end}`,
        { cause: error },
      );
    }
    return fired > 0;
  }

  get #preparedDir(): string {
    return join(this.#base, 'prepared');
  }

  #restore(): void {
    rmSync(this.#dataDir, { recursive: true, force: true });
    if (existsSync(this.#preparedDir)) cpSync(this.#preparedDir, this.#dataDir, { recursive: true });
    this.#shim.forget();
  }

  /** Returns how it ended: its exit code, then what it said. */
  #work(parts: readonly WorkloadPart[], history: History): string {
    const first = history.sent.size;
    const appends = parts.filter((part) => part === 'log').length;
    const facts = Array.from({ length: 12 * appends }, (_, i) => sentOf(first + i));
    history.sending(facts);
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [workload, this.#dataDir, String(first), ...parts],
      {
        env: { PATH: process.env['PATH'], ...this.#shim.env({ log: true }) },
        timeout: hangsMs,
        killSignal: 'SIGKILL',
      },
    );
    const told = stdout
      .toString()
      .split('\n')
      .filter((line) => line.startsWith('+ '))
      .flatMap((line) => line.slice(2).split(' '));
    history.acknowledged(facts.filter(({ eventId }) => told.includes(eventId)));
    return `${signal ?? status}: ${stderr.toString().slice(0, 3_000)}`;
  }

  /** Without faults everything is brought in, here. */
  async #finish(history: History): Promise<void> {
    const config = workloadConfig(this.#dataDir);
    const clock = systemClock;
    const log = await openLogWriter(config, clock);
    try {
      await drainLogToMaster({ config, clock }, { log });
      const master = await readMasterRows(this.#dataDir);
      const all = withDropped({ ...(await readLog(log)), master }, history);
      assertNone(checkHistory(history, all, { rules: workloadRules, window: 0 }));
      if (!this.#under.parts.includes('batch')) return;
      await runBatch({ config, clock, trigger: 'command' });
      const view = openView(this.#dataDir, readCurrent(this.#dataDir));
      assertViewEquals(view, all.log, workloadRules);
      view.close();
    } finally {
      await log.close();
    }
  }
}

/** A step through all of `total` numbers, near the golden ratio of them. */
function strideOf(total: number): number {
  let stride = Math.max(1, Math.round(total * 0.618));
  while (greatestDivisor(stride, total) > 1) stride++;
  return stride;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function sentOf(i: number) {
  const { receivedAt: _, ...sent } = workloadFact(i);
  return sent;
}

function copyOf(history: History): History {
  const copy = new History();
  for (const [eventId, sent] of history.sent) copy.sent.set(eventId, { ...sent });
  return copy;
}

export const failingCallLayers: readonly Layer[] = under.map((what) => ({
  name: `one call fails in ${what.name}`,
  rounds: what.rounds,
  minimum: Math.floor(what.rounds / 2),
  skip: shimSkip,
  open: async (t, seed) => FailingCalls.open(t, what, seed),
}));
