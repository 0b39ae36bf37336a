/**
 * Row `freshness`: event to visible in an answer, at 20,000 events/s. The speed layer runs as a process of its own; this
 * one appends durably every 10 ms and asks for a snapshot all the time. An event's time begins before its append.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { Pageview } from '../facts/fact.js';
import { encodeRecord } from '../facts/record.js';
import { makeRules } from '../facts/rules.js';
import { reaches } from '../log/cut.js';
import type { NewRecord, Offsets } from '../log/log.js';
import { openLogWriter } from '../log/open-log.js';
import { projectRoot } from '../lib/files/assets.js';
import { TrafficModel, trafficDefaults } from '../ingest/traffic-model.js';
import { openRealtime, type Realtime } from '../speed/store/read-side.js';
import type { BenchOptions, BenchResult } from './row.js';

const targetMs = 1_000;
const eventsPerSecond = 20_000;
const everyMs = 10;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const seconds = quick ? 3 : 20;
  const dataDir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  const config = configWith({ dataDir });
  openDataDir(config);
  const writer = await openLogWriter(config, systemClock);
  const speed = fork(join(projectRoot, 'dist/speed/main.js'), {
    env: { ...process.env, SWA_DATA_DIR: dataDir, SWA_LOG_LEVEL: 'error' },
  });
  const exited = once(speed, 'exit');
  const realtime = openRealtime(dataDir);
  try {
    await until(() => positions(realtime) !== undefined);
    const batches = trafficBatches(seconds * (1_000 / everyMs), (eventsPerSecond * everyMs) / 1_000);
    const waiting: { readonly end: Offsets; readonly since: number; readonly events: number }[] = [];
    const latencies: { readonly ms: number; readonly events: number }[] = [];
    const look = (): void => {
      const seen = waiting.length === 0 ? undefined : positions(realtime);
      const now = performance.now();
      if (seen === undefined) return;
      const first = waiting.findIndex(({ end }) => !reaches(seen, end));
      for (const { since, events } of waiting.splice(0, first < 0 ? waiting.length : first)) {
        latencies.push({ ms: now - since, events });
      }
    };
    const begin = performance.now();
    for (const [i, batch] of batches.entries()) {
      while (performance.now() < begin + i * everyMs) {
        look();
        await sleep(1);
      }
      const since = performance.now();
      await writer.append(batch);
      waiting.push({ end: await writer.latest(), since, events: batch.length });
    }
    const ratePerSecond =
      (batches.length * (batches[0]?.length ?? 0)) / ((performance.now() - begin) / 1_000);
    await until(() => {
      look();
      return waiting.length === 0;
    });
    const sorted = latencies.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
    return {
      target: `p99 < ${targetMs} ms at ${eventsPerSecond} events/s`,
      met: at(0.99) < targetMs && ratePerSecond > eventsPerSecond * 0.95,
      figures: {
        events: latencies.reduce((sum, { events }) => sum + events, 0),
        eventsPerSecond: Math.round(ratePerSecond),
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        maxMs: at(1),
      },
    };
  } finally {
    speed.kill('SIGTERM');
    await exited;
    await realtime.close();
    await writer.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function trafficBatches(count: number, events: number): NewRecord[][] {
  const rules = makeRules({ urlQueryAllow: [], bots: 'exclude' });
  const model = new TrafficModel({
    ...trafficDefaults,
    people: 100_000,
    pages: 1_000,
    viewsPerSecond: events,
  });
  const facts: Pageview[] = [];
  for (let at = Date.UTC(2026, 0, 5); facts.length < count * events; at += 1_000) {
    for (const fact of model.step(at)) if (fact.type === 'pageview') facts.push({ ...fact, receivedAt: at });
  }
  return Array.from({ length: count }, (_, i) =>
    facts.slice(i * events, (i + 1) * events).map((fact) => encodeRecord(fact, rules.url)),
  );
}

function positions(realtime: Realtime): Offsets | undefined {
  const snapshot = realtime.snapshot();
  snapshot?.release();
  return snapshot?.cut.next;
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('the speed layer did not come so far within a minute');
    await sleep(2);
  }
}
