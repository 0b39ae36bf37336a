/**
 * The system under test: real processes on one data directory, all roles in one or each in its own, that can be killed,
 * stopped and started again at any moment. What is stored is read from here, with the project's own readers.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { assetPath } from '../../lib/files/assets.js';
import { systemClock } from '../../lib/time/clock.js';
import { configWith, type Config } from '../../lib/config/config.js';
import { decodeRecord } from '../../facts/record.js';
import { makeRules } from '../../facts/rules.js';
import { reaches } from '../../log/cut.js';
import type { Log, Offsets, PartitionName } from '../../log/log.js';
import { openLog } from '../../log/open-log.js';
import type { Role } from '../../lib/process/status.js';
import { sqlText } from '../../master-data/duckdb.js';
import { pinSnapshot } from '../../master-data/pins.js';
import { masterCut } from '../../master-data/snapshot.js';
import { freePort } from '../loopback.js';
import type { Placed } from '../oracle/oracle.js';
import { eventually } from '../eventually.js';
import type { Counting, MasterRow, Stored } from './checker.js';
import type { History } from './history.js';
import { tempDir } from '../temp-dir.js';

/** `all` is `swa start`. */
export type Part = 'all' | Role;

export const rolesApart: readonly Part[] = ['collector', 'sink', 'speed', 'batch', 'query'];

export interface SystemOptions {
  /** The folder the data directory is to lie in; a temporary one by default. */
  readonly at?: string;
  /** host:port; the embedded log by default. */
  readonly kafkaBroker?: string;
  /** More of the processes' environment, given the data directory. */
  readonly environment?: (dataDir: string) => Record<string, string>;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<string>;
  readonly stderr: string[];
}

export class SystemUnderTest {
  readonly dataDir: string;
  readonly config: Config;
  readonly counting: Counting;
  readonly #env: Readonly<Record<string, string>>;
  readonly #running = new Map<Part, Running>();

  static async make(t: TestContext, options: SystemOptions = {}): Promise<SystemUnderTest> {
    const base = options.at ?? tempDir('faults');
    const dataDir = join(base, 'data');
    mkdirSync(dataDir, { recursive: true });
    const [httpPort, collectorPort] = [await freePort(), await freePort()];
    const { kafkaBroker } = options;
    const config = configWith({
      dataDir,
      httpPort,
      collectorPort,
      partitions: 2,
      ...(kafkaBroker === undefined ? {} : { kafkaBrokers: [kafkaBroker] }),
    });
    const system = new SystemUnderTest(config, {
      ...(kafkaBroker === undefined ? {} : { SWA_KAFKA_BROKERS: kafkaBroker }),
      ...options.environment?.(dataDir),
    });
    t.after(async () => {
      await system.killAll();
      if (options.at === undefined) rmSync(base, { recursive: true, force: true });
    });
    return system;
  }

  private constructor(config: Config, env: Readonly<Record<string, string>>) {
    this.dataDir = config.dataDir;
    this.config = config;
    this.counting = { rules: makeRules({ urlQueryAllow: [], bots: 'exclude' }), window: config.dedupWindow };
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      SWA_DATA_DIR: config.dataDir,
      SWA_HTTP_PORT: String(config.httpPort),
      SWA_COLLECTOR_PORT: String(config.collectorPort),
      SWA_PARTITIONS: String(config.partitions),
      SWA_SEGMENT_BYTES: '65536',
      SWA_SINK_INTERVAL_MS: '150',
      SWA_BATCH_SCHEDULE: 'off',
      SWA_BATCH_THREADS: '1',
      SWA_BATCH_MEMORY: '256MB',
      SWA_SPEED_EPOCH_TUPLES: '40',
      SWA_HTTP_RATE_PER_MINUTE: '0',
      SWA_LOG_LEVEL: 'error',
      ...env,
    };
  }

  /** Where answers come from. */
  get origin(): string {
    return `http://127.0.0.1:${this.config.httpPort}`;
  }

  /** Where facts go to. */
  get collector(): string {
    return this.#running.has('collector') ? `http://127.0.0.1:${this.config.collectorPort}` : this.origin;
  }

  start(part: Part): void {
    assert.ok(!this.#running.has(part), `${part} runs already`);
    const args = part === 'all' ? ['start'] : [part];
    const child = this.spawn(args);
    const stderr: string[] = [];
    child.stderr?.on('data', (piece: Buffer) => {
      stderr.push(piece.toString());
      if (stderr.length > 50) stderr.shift();
    });
    const ended = once(child, 'close').then(([code, signal]) => String(signal ?? code));
    this.#running.set(part, { child, ended, stderr });
  }

  /** A `swa` command as it runs beside the roles. */
  spawn(args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [assetPath('bin/swa'), ...args], {
      env: this.#env,
      cwd: this.config.dataDir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  pid(part: Part): number {
    return this.#of(part).child.pid ?? 0;
  }

  /** Undefined while it runs; else how it ended. */
  endOf(part: Part): string | undefined {
    const { child, stderr } = this.#of(part);
    if (child.exitCode === null && child.signalCode === null) return undefined;
    return `${child.signalCode ?? child.exitCode}: ${stderr.join('').slice(-1500)}`;
  }

  /** The end of what it has written to stderr, and how it ended where it did. */
  stderr(part: Part): string {
    return this.endOf(part) ?? this.#of(part).stderr.join('').slice(-1500);
  }

  signal(part: Part, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#of(part).child.kill(signal);
  }

  async kill(part: Part): Promise<void> {
    const { child, ended } = this.#of(part);
    child.kill('SIGKILL');
    await ended;
    this.#running.delete(part);
  }

  /** Waits for the end of a part that dies by itself. */
  async untilEnded(part: Part): Promise<string> {
    const how = await this.#of(part).ended;
    this.#running.delete(part);
    return how;
  }

  /** As an operator does. Resolves with the exit code. */
  async stop(part: Part): Promise<string> {
    this.#of(part).child.kill('SIGTERM');
    return this.untilEnded(part);
  }

  isRunning(part: Part): boolean {
    return this.#running.has(part);
  }

  async killAll(): Promise<void> {
    for (const part of this.#running.keys()) await this.kill(part);
  }

  /** Also batch runs, which otherwise end by themselves a little later: as if the machine were off. */
  async killAllAndChildren(): Promise<void> {
    const children = [...this.#running.keys()].flatMap((part) => childrenOf(this.pid(part)));
    await this.killAll();
    for (const pid of children) {
      await eventually(`the end of batch run ${pid}`, () => {
        try {
          process.kill(pid, 'SIGKILL');
          return undefined;
        } catch {
          return true;
        }
      });
    }
  }

  /** Starts again what has ended unexpectedly, as a supervisor would. Returns what that was. */
  restartEnded(): Part[] {
    const ended = [...this.#running.keys()].filter((part) => this.endOf(part) !== undefined);
    for (const part of ended) {
      this.#running.delete(part);
      this.start(part);
    }
    return ended;
  }

  #of(part: Part): Running {
    const running = this.#running.get(part);
    assert.ok(running !== undefined, `${part} does not run`);
    return running;
  }

  async withLog<T>(work: (log: Log) => Promise<T>): Promise<T> {
    const log = await openLog(this.config, systemClock);
    try {
      return await work(log);
    } finally {
      await log.close();
    }
  }

  /** Everything that is stored, from the files. `history` has the texts of what the log has dropped. */
  async stored(history: History): Promise<Stored> {
    return this.withLog(async (log) => {
      const isMade = masterCut(this.dataDir) !== undefined;
      const master = isMade ? await readMasterRows(this.dataDir) : undefined; // first: the log is ahead of it
      return withDropped({ ...(await readLog(log)), master }, history);
    });
  }
}

/** What the log was allowed to drop stands in the master dataset alone, which is read for places and eventIds only. */
export function withDropped(stored: Stored & { readonly from: Offsets }, history: History): Stored {
  const log = [...stored.log];
  const foreign = [...stored.foreign];
  for (const { partition, offset, eventId } of stored.master?.rows ?? []) {
    if (offset >= (stored.from[partition] ?? 0)) continue;
    const sent = history.sent.get(eventId)?.fact;
    if (sent === undefined) foreign.push({ partition, offset });
    else log.push({ partition, offset, fact: { ...sent, receivedAt: sent.timestamp } });
  }
  return { ...stored, log, foreign };
}

export async function readLog(log: Log): Promise<Omit<Stored, 'master'> & { readonly from: Offsets }> {
  const [from, end] = [await log.earliest(), await log.latest()];
  const reader = await log.openReader({ from, consumer: 'faults' });
  const facts: Placed[] = [];
  const foreign: { partition: PartitionName; offset: number }[] = [];
  let reached: Offsets = from;
  while (!reaches(reached, end)) {
    const batches = await reader.next({ maxRecords: 5_000, timeoutMs: 10_000 });
    assert.ok(batches.length > 0, 'the log stalls before its end');
    for (const { name, topic, offsets, values, nextOffset } of batches) {
      for (const [i, value] of values.entries()) {
        const at = offsets[i] ?? 0;
        const fact = decodeRecord(value, topic);
        if (fact.type === 'invalid') foreign.push({ partition: name, offset: at });
        else facts.push({ partition: name, offset: at, fact });
      }
      reached = { ...reached, [name]: nextOffset };
    }
  }
  await reader.close();
  return { log: facts, foreign, end: reached, from };
}

/** Partition, offset and eventId of every row that the newest manifests name. */
export async function readMasterRows(dataDir: string): Promise<NonNullable<Stored['master']>> {
  const pinned = pinSnapshot(dataDir, 'test');
  const { cut, files } = pinned.snapshot;
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const rows: MasterRow[] = [];
    for (const { path, topic, partition } of files) {
      const result = await connection.run(`SELECT "offset", event_id FROM read_parquet(${sqlText(path)})`);
      for (const [at, eventId] of await result.getRows()) {
        rows.push({ partition: `${topic}/${partition}`, offset: Number(at), eventId: String(eventId) });
      }
    }
    return { cut: cut.next, rows };
  } finally {
    connection.closeSync();
    instance.closeSync();
    pinned.release();
  }
}

/** The processes whose parent is this one. */
export function childrenOf(pid: number): number[] {
  try {
    const tasks = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return tasks.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
