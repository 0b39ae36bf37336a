/**
 * Row `speed`: from the embedded log to a committed realtime view, against reading and decoding the same log with an empty handler, in turns within
 * one run. Then the time of a restart with and without its stores, and the memory and disk space per entry (one hour of one URL or domain). The row
 * counts pages and domains only; the time with all dimensions is reported beside it.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../lib/time/clock.js';
import { configWith, type Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { Pageview } from '../facts/fact.js';
import { decodeRecord, encodeRecord } from '../facts/record.js';
import { makeRules, type Rules } from '../facts/rules.js';
import { dimensions } from '../facts/subjects.js';
import { KeyedHash } from '../lib/memory/keyed-hash.js';
import { distance, reaches, zeroOffsets } from '../log/cut.js';
import type { Log } from '../log/log.js';
import { openLog, openLogWriter } from '../log/open-log.js';
import { TrafficModel, trafficDefaults, type TrafficFact } from '../ingest/traffic-model.js';
import { readCurrent } from '../serving/current.js';
import { ensureGenesis, openView } from '../serving/store.js';
import { Generation } from '../speed/generations/generation.js';
import { generationDir, storeDir } from '../speed/store/layout.js';
import { CommitThread } from '../speed/store/commit-thread.js';
import { openDatabase } from '../speed/store/store-files.js';
import type { ViewId } from '../facts/views/view.js';
import type { BenchOptions, BenchResult } from './row.js';
import { measureWork } from './work-time.js';

const targetRatio = 0.6;
const targetRestartSeconds = 10;
const rules = makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions: [] });
const withAllDimensions = makeRules({ urlQueryAllow: [], bots: 'exclude' });

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const facts = quick ? 100_000 : 1_000_000;
  const rounds = quick ? 1 : 3;
  const config = configWith({ dataDir: mkdtempSync(join(tmpdir(), 'swa-bench-')) });
  try {
    openDataDir(config);
    const genesis = await fill(config, facts);
    const log = await openLog(config, systemClock);
    const times = { read: Infinity, view: Infinity, allDimensions: Infinity };
    const processor = { view: Infinity, allDimensions: Infinity };
    for (let round = 0; round < rounds; round++) {
      times.read = Math.min(times.read, await seconds(() => readAndDecode(log)));
      rmSync(join(config.dataDir, 'speed'), { recursive: true, force: true });
      const view = await measureWork(() => catchUp(config, log, genesis));
      times.view = Math.min(times.view, view.seconds);
      processor.view = Math.min(processor.view, view.processorSeconds);
      // Other rules, so the stores are rebuilt here and again in the next round.
      const all = await measureWork(() => catchUp(config, log, genesis, withAllDimensions));
      times.allDimensions = Math.min(times.allDimensions, all.seconds);
      processor.allDimensions = Math.min(processor.allDimensions, all.processorSeconds);
    }
    await catchUp(config, log, genesis);
    const entries = await countEntries(config, log, genesis);
    const diskBytes = log.partitions.reduce(
      (sum, name) => sum + usedBytes(storeDir(config.dataDir, genesis, name)),
      0,
    );
    const restartKept = await seconds(() => catchUp(config, log, genesis));
    rmSync(generationDir(config.dataDir, genesis), { recursive: true });
    const restartLost = await seconds(() => catchUp(config, log, genesis));
    const memoryBytes = await memoryOf(config, log, genesis);
    await log.close();
    const ratio = times.read / times.view;
    const restart = Math.max(restartKept, restartLost);
    return {
      target: `>= ${targetRatio} of reading and decoding; restart < ${targetRestartSeconds} s`,
      met: ratio >= targetRatio && restart < targetRestartSeconds,
      ratio,
      figures: {
        facts,
        readAndDecodePerSecond: Math.round(facts / times.read),
        committedPerSecond: Math.round(facts / times.view),
        committedPerSecondWithAllDimensions: Math.round(facts / times.allDimensions),
        eachDimension: `${((processor.allDimensions / processor.view - 1) / dimensions.length).toFixed(2)}x CPU for each of ${dimensions.length}`,
        restartSecondsStoresKept: round2(restartKept),
        restartSecondsStoresLost: round2(restartLost),
        entries,
        diskBytesPerEntry: Math.round(diskBytes / entries),
        memoryBytesPerEntry: Math.round(memoryBytes / entries),
      },
    };
  } finally {
    rmSync(config.dataDir, { recursive: true, force: true });
  }
}

/** Fills the log; returns the id of the empty batch view. */
export async function fill(config: Config, facts: number): Promise<ViewId> {
  const domains = Array.from({ length: 40 }, (_, i) => `site-${i}.example`);
  const model = new TrafficModel({
    ...trafficDefaults,
    people: 200_000,
    pages: 2_000,
    domains,
    viewsPerSecond: 150,
  });
  const writer = await openLogWriter(config, systemClock);
  let done = 0;
  for (let at = Date.UTC(2026, 0, 5); done < facts; at += 1_000) {
    const pageviews = model.step(at).filter((fact) => fact.type === 'pageview');
    const records = pageviews.slice(0, facts - done).map((fact, i) => asFromTheDoor(fact, at, done + i));
    if (records.length > 0) await writer.append(records.map((fact) => encodeRecord(fact, rules.url)));
    done += records.length;
  }
  await writer.close();
  const cut = { logId: writer.id, next: zeroOffsets(writer.partitions) };
  await ensureGenesis(config.dataDir, {
    cut,
    lgK: config.lgK,
    bucketMinutes: config.bucketMinutes,
    rules,
    createdAt: 0,
  });
  return readCurrent(config.dataDir);
}

/**
 * Adds fields in the door's order, as in records that the collector or an importer wrote. Every fifth pageview has a referrer, one of 300 other
 * sites.
 */
function asFromTheDoor(
  fact: TrafficFact & { readonly type: 'pageview' },
  receivedAt: number,
  number: number,
): Pageview {
  const { userAgent, ...rest } = fact;
  const referrer = number % 5 === 0 ? { referrer: `https://www.from${(number / 5) % 300}.example/` } : {};
  return { ...rest, receivedAt, userAgent, ...referrer };
}

async function readAndDecode(log: Log): Promise<void> {
  const end = await log.latest();
  const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'bench' });
  let left = distance(zeroOffsets(log.partitions), end);
  while (left > 0) {
    for (const { topic, values } of await reader.next({ maxRecords: 20_000, timeoutMs: 1_000 })) {
      for (const value of values) if (decodeRecord(value, topic).type !== 'invalid') left--;
    }
  }
  await reader.close();
}

function openGeneration(
  config: Config,
  log: Log,
  genesis: ViewId,
  commits: CommitThread,
  by = rules,
): Promise<Generation> {
  return Generation.open({
    dataDir: config.dataDir,
    log,
    rules: by,
    hash: new KeyedHash(),
    clock: systemClock,
    lgK: config.lgK,
    dedupWindow: config.dedupWindow,
    epochTuples: config.speedEpochTuples,
    bootId: 'bench',
    commits,
    partitions: log.partitions,
    view: openView(config.dataDir, genesis),
  });
}

/** Opens the generation and reads to the end of the log. */
export async function catchUp(config: Config, log: Log, genesis: ViewId, by: Rules = rules): Promise<void> {
  const end = await log.latest();
  const commits = new CommitThread();
  const generation = await openGeneration(config, log, genesis, commits, by);
  while (!reaches(generation.positions(), end)) await generation.runEpochs({ waitMs: 50, limit: {} });
  await generation.close();
  await commits.close();
}

async function countEntries(config: Config, log: Log, genesis: ViewId): Promise<number> {
  let entries = 0;
  for (const name of log.partitions) {
    const db = openDatabase(storeDir(config.dataDir, genesis, name));
    entries += db.getKeysCount() - 1; // the progress record
    await db.close();
  }
  return entries;
}

/** Memory of the process for a realtime view that is entirely in memory. */
async function memoryOf(config: Config, log: Log, genesis: ViewId): Promise<number> {
  rmSync(generationDir(config.dataDir, genesis), { recursive: true });
  const commits = new CommitThread();
  const before = await held();
  const generation = await openGeneration(config, log, genesis, commits);
  while ((await generation.runEpochs({ waitMs: 0, limit: {} })) > 0);
  const after = await held();
  await generation.close();
  await commits.close();
  return after - before;
}

/** Bytes in use after garbage collection. It takes several passes: finalizers first, then what they referenced. */
async function held(): Promise<number> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function usedBytes(dir: string): number {
  return statSync(join(dir, 'data.mdb')).blocks * 512;
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
