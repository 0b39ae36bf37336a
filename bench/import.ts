/**
 * Row `import`: lines of a combined log into the durable log (parse, rules, door, append), and generated facts the same way.
 * Target: 200,000 facts a second from the generator, 100,000 lines a second from a file, on one core.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logSink } from '../ingest/fact-sinks.js';
import { generate } from '../ingest/generate.js';
import { importFile } from '../ingest/import.js';
import { TrafficModel, trafficDefaults } from '../ingest/traffic-model.js';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { openLogWriter } from '../log/open-log.js';
import { UrlRules } from '../facts/url/normalize.js';
import { logFile } from '../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../ways-in/logs/pageviews.js';
import type { BenchOptions, BenchResult } from './row.js';

const host = 'www.example.org';

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  try {
    const lines = quick ? 50_000 : 1_000_000;
    const facts = quick ? 50_000 : 1_000_000;
    const file = join(dir, 'access.log');
    writeFileSync(file, combinedLog(lines));
    const importRate = await withLog(join(dir, 'a'), (sink, urls) => timeImport(file, sink, urls));
    const generateRate = await withLog(join(dir, 'b'), (sink, urls) => timeGenerate(facts, sink, urls));
    return {
      target: 'generator >= 200,000 facts/s, file >= 100,000 lines/s, both durable',
      met: generateRate >= 200_000 && importRate >= 100_000,
      figures: {
        'lines/s': Math.round(importRate),
        'generated facts/s': Math.round(generateRate),
        lines,
        facts,
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

type Sink = ReturnType<typeof logSink>;

async function withLog(
  dataDir: string,
  work: (sink: Sink, urls: UrlRules) => Promise<number>,
): Promise<number> {
  const config = configWith({ dataDir });
  openDataDir(config);
  const urls = new UrlRules();
  const sink = logSink(await openLogWriter(config, systemClock), urls);
  try {
    return await work(sink, urls);
  } finally {
    await sink.close();
  }
}

async function timeImport(path: string, sink: Sink, urls: UrlRules): Promise<number> {
  const options = { ...pageviewDefaults, host };
  const begun = performance.now();
  const counts = await importFile({
    path,
    format: logFile({ name: 'combined', options }),
    sink,
    urls,
    clock: systemClock,
    onRejected: ({ reason }) => {
      throw new Error(reason);
    },
  });
  return (counts.accepted / (performance.now() - begun)) * 1000;
}

async function timeGenerate(maxFacts: number, sink: Sink, urls: UrlRules): Promise<number> {
  const begun = performance.now();
  const model = new TrafficModel({ ...trafficDefaults, viewsPerSecond: 500 });
  const startMs = systemClock() - 30 * 24 * 3_600_000;
  const signal = new AbortController().signal;
  await generate({ model, sink, urls, clock: systemClock, startMs, speedup: Infinity, maxFacts, signal });
  return (maxFacts / (performance.now() - begun)) * 1000;
}

/** Distinct successful page views, every line a different one. */
function combinedLog(lines: number): string {
  const parts: string[] = [];
  for (let i = 0; i < lines; i++) {
    const second = String(i % 60).padStart(2, '0');
    const minute = String(Math.floor(i / 60) % 60).padStart(2, '0');
    const address = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
    parts.push(
      `${address} - - [17/May/2015:10:${minute}:${second} +0000] "GET /blog/page-${i % 2000} HTTP/1.1" 200 ${i} ` +
        `"https://${host}/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0"`,
    );
  }
  return `${parts.join('\n')}\n`;
}
