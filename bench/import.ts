/**
 * Row `import`: imports lines of every log format into the durable log (parse, rules, door, append), and generated facts the same way. Targets:
 * 200,000 facts per second of CPU time from the generator, which is one thread, and 100,000 lines per second of wall time for each format, whose
 * lines are processed by threads. Wall time depends on other load of the machine, so the CPU time of all threads per 100,000 lines is reported beside
 * it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logSink } from '../ingest/fact-sinks.js';
import { generate } from '../ingest/generate.js';
import { importFile } from '../ingest/import.js';
import { newImportId } from '../ingest/import-ledger.js';
import { takeThreadCount } from '../ingest/take-threads.js';
import { TrafficModel, trafficDefaults } from '../ingest/traffic-model.js';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { openLogWriter } from '../log/open-log.js';
import { BotRule } from '../facts/bots.js';
import { UrlRules } from '../facts/url/normalize.js';
import { formatOf } from '../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../ways-in/logs/pageviews.js';
import { host, linesOfFormats, textOfLines } from './log-lines.js';
import type { BenchOptions, BenchResult } from './row.js';
import { measureWork, type WorkTime } from './work-time.js';

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  try {
    const lines = quick ? 50_000 : 600_000;
    const facts = quick ? 50_000 : 1_000_000;
    const figures: Record<string, number> = {};
    let slowest = Infinity;
    for (const of of linesOfFormats) {
      const file = join(dir, 'access.log');
      writeFileSync(file, textOfLines(of, lines));
      const { processorSeconds, seconds } = await withLog(join(dir, of.format), (sink, urls) =>
        timeImport(file, of.format, lines, sink, urls),
      );
      figures[`${of.format}, processor ms per 100,000 lines`] = Math.round((1e8 * processorSeconds) / lines);
      figures[`${of.format}, lines/s`] = Math.round(lines / seconds);
      slowest = Math.min(slowest, lines / seconds);
    }
    const generated = await withLog(join(dir, 'generated'), (sink, urls) => timeGenerate(facts, sink, urls));
    const generateRate = facts / generated.processorSeconds;
    return {
      target: 'generator >= 200,000 facts per processor second, each format >= 100,000 lines/s, all durable',
      met: generateRate >= 200_000 && slowest >= 100_000,
      figures: {
        ...figures,
        'generated facts per processor second': Math.round(generateRate),
        'generated facts/s': Math.round(facts / generated.seconds),
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
  work: (sink: Sink, urls: UrlRules) => Promise<WorkTime>,
): Promise<WorkTime> {
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

async function timeImport(
  path: string,
  name: string,
  lines: number,
  sink: Sink,
  urls: UrlRules,
): Promise<WorkTime> {
  const options = { ...pageviewDefaults, visitor: 'ip-agent-hash', host };
  const format = await formatOf({ name, options }, () => 'the key of a data directory');
  globalThis.gc?.(); // garbage of making the file does not count for the import
  return measureWork(async () => {
    const { accepted } = await importFile({
      path,
      format,
      sink,
      urls,
      bots: new BotRule('exclude'),
      importId: newImportId(systemClock()),
      clock: systemClock,
      threads: takeThreadCount(),
      onRejected: ({ reason }) => {
        throw new Error(`${name}: ${reason}`);
      },
    });
    if (accepted !== lines) throw new Error(`${name}: ${accepted} of ${lines} lines were accepted`);
  });
}

async function timeGenerate(maxFacts: number, sink: Sink, urls: UrlRules): Promise<WorkTime> {
  const model = new TrafficModel({ ...trafficDefaults, viewsPerSecond: 500 });
  const startMs = systemClock() - 30 * 24 * 3_600_000;
  const signal = new AbortController().signal;
  return measureWork(() =>
    generate({ model, sink, urls, clock: systemClock, startMs, speedup: Infinity, maxFacts, signal }),
  );
}
