/**
 * Row `peers`: the same work by other engines in one run. Recomputation: hourly visitors of every URL from the same Parquet files, by DuckDB and
 * ClickHouse without identities, and by the batch layer with them, from an existing star. Range: the merged hourly sketches of a year, by Redis,
 * ClickHouse and DataSketches, and the range query of a view, which also has days and months. There is no target.
 *
 * ClickHouse, DataSketches and the Redis client are Python packages; the Redis server is Debian's:
 *     python3 -m venv bench/peers/target && bench/peers/target/bin/pip install -r bench/peers/requirements.txt
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { configWith } from '../lib/config/config.js';
import { assetPath } from '../lib/files/assets.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { LogId } from '../log/log.js';
import { ask } from '../query/inquiries.js';
import { openEngine } from '../query/open.js';
import { widthOf } from '../lib/time/buckets.js';
import { approximateCounts } from './approximate-counts.js';
import { buildFullView } from './full-view.js';
import { makePageviewFiles } from './pageview-files.js';
import type { BenchOptions, BenchResult } from './row.js';
import { median, measureWork, type WorkTime } from './work-time.js';
import { publishYear, urlsOf, yearFromHour, yearToHour } from './view-of-a-year.js';

const python = assetPath('bench/peers/target/bin/python3');
const script = assetPath('bench/peers/peers.py');
const hoursOfYear = yearToHour - yearFromHour;

const measuredSchema = z.record(z.string(), z.object({ seconds: z.number(), processorSeconds: z.number() }));
type Measured = Readonly<Record<string, WorkTime>>;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  if (!existsSync(python))
    throw new Error(
      'no Python packages of the peers: python3 -m venv bench/peers/target && bench/peers/target/bin/pip install -r bench/peers/requirements.txt',
    );
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-peers-'));
  const rounds = quick ? 1 : 5;
  const pageviews = Number(process.env['ROWS'] ?? (quick ? 500_000 : 20_000_000));
  try {
    const recomputed = await recompute(dir, pageviews, rounds);
    const peopleOfAnHour = quick ? 23 : 228;
    const ranges = await rangeOfAYear(dir, peopleOfAnHour, rounds);
    return {
      target: 'none: figures to compare',
      met: true,
      figures: {
        pageviews,
        ...shown('recomputation', recomputed, ours.recompute),
        'hours of the range': hoursOfYear,
        'people of each hour': peopleOfAnHour,
        ...shown('range of a year', ranges, ours.range),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const ours = { recompute: 'batch layer', range: 'range query' } as const;

async function recompute(dir: string, pageviews: number, rounds: number): Promise<Measured> {
  const master = join(dir, 'master');
  const snapshot = await makePageviewFiles({
    dir: master,
    pageviews,
    ids: pageviews / 10,
    edges: Math.round(pageviews * 0.035),
    urls: 100_000,
    days: 90,
    drawn: 'popular',
  });
  const duckDb: WorkTime[] = [];
  const batch: WorkTime[] = [];
  for (let round = 0; round <= rounds; round++) {
    duckDb.push(await measureWork(() => approximateCounts(snapshot.files, dir)));
    const viewDir = join(dir, `view-${round}`);
    batch.push(await measureWork(() => buildFullView(snapshot, dir, viewDir)));
    rmSync(viewDir, { recursive: true, force: true });
  }
  const others = await runPython('recompute', join(master, 'pageviews-*.parquet'), dir, String(rounds));
  return {
    [ours.recompute]: median(batch.slice(1)),
    'DuckDB, counts': median(duckDb.slice(1)),
    'ClickHouse, counts': named(others, 'clickHouseCounts'),
    'ClickHouse, sketches stored': named(others, 'clickHouseStored'),
  };
}

async function rangeOfAYear(dir: string, peopleOfAnHour: number, rounds: number): Promise<Measured> {
  const socket = join(dir, 'redis.sock');
  const redis = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', dir], {
    stdio: 'ignore',
  });
  const ended = once(redis, 'exit');
  try {
    const deadline = performance.now() + 20_000;
    while (!existsSync(socket)) {
      if (redis.exitCode !== null || performance.now() > deadline)
        throw new Error('redis-server did not start');
      await sleep(20);
    }
    const others = await runPython(
      'range',
      socket,
      String(hoursOfYear),
      String(peopleOfAnHour),
      String(rounds),
    );
    return {
      [ours.range]: await rangeQuery(join(dir, 'data'), peopleOfAnHour),
      'Redis, PFCOUNT': named(others, 'redis'),
      'ClickHouse, uniqCombinedMerge': named(others, 'clickHouse'),
      'DataSketches, union': named(others, 'dataSketches'),
    };
  } finally {
    redis.kill();
    await ended;
  }
}

async function rangeQuery(dataDir: string, peopleOfAnHour: number): Promise<WorkTime> {
  const config = configWith({ dataDir });
  openDataDir(config);
  const cut = { logId: 'bench' as LogId, next: {} }; // this bench has no log
  const busiestViews = peopleOfAnHour * hoursOfYear;
  await publishYear(dataDir, { number: 1, pages: 1, busiestViews, people: 500_000, lgK: config.lgK, cut });
  const query = openEngine(config, () => yearToHour * 3_600_000);
  const question = {
    url: urlsOf(1)[0] ?? '',
    from: widthOf(60).show(yearFromHour + 1),
    to: widthOf(60).show(yearToHour - 1),
  };
  const times = 500;
  try {
    const askRepeatedly = async (): Promise<void> => {
      for (let i = 0; i < times; i++) await ask(query.engine, 'uniques', question);
    };
    await askRepeatedly();
    const { seconds, processorSeconds } = await measureWork(askRepeatedly);
    return { seconds: seconds / times, processorSeconds: processorSeconds / times };
  } finally {
    await query.close();
  }
}

async function runPython(...args: readonly string[]): Promise<Measured> {
  const { stdout } = await promisify(execFile)(python, [script, ...args], { timeout: 1_800_000 });
  return measuredSchema.parse(JSON.parse(stdout));
}

function named(measured: Measured, name: string): WorkTime {
  const found = measured[name];
  if (found === undefined) throw new Error(`peers.py measured no ${name}`);
  return found;
}

function shown(task: string, measured: Measured, reference: string): Record<string, string> {
  const { seconds, processorSeconds } = named(measured, reference);
  return Object.fromEntries(
    Object.entries(measured).map(([name, of]) => [
      `${task}, ${name}`,
      `${inMilliseconds(of.seconds)} ms, ${inMilliseconds(of.processorSeconds)} ms of CPU (${(of.seconds / seconds).toFixed(1)}x, ${(of.processorSeconds / processorSeconds).toFixed(1)}x)`,
    ]),
  );
}

function inMilliseconds(seconds: number): string {
  return (seconds * 1_000).toPrecision(3);
}
