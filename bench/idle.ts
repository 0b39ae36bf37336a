/**
 * Row `idle`: the cost of an idle system. Measures `swa start` with some facts and a batch view at rest, and one `swa status` beside it, by the CPU
 * time that their processes report.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { projectRoot } from '../lib/files/assets.js';
import { listRuns } from '../serving/batch-runs.js';
import { runningUrl } from '../cli/running-url.js';
import type { BenchOptions, BenchResult } from './row.js';

const targetOfACore = 0.01;
const targetStatusSeconds = 0.25;
const facts = 1_000;
const statusRuns = 5;
/** Time to settle after the batch run: the speed layer follows it, and the engine finishes garbage collection and compilation. */
const settleMs = 30_000;

const answersWithCpu =
  'process.on("message", () => process.send(process.cpuUsage())); process.channel?.unref();';
const endsWithCpu =
  'import { writeSync } from "node:fs"; process.on("exit", () => writeSync(2, JSON.stringify(process.cpuUsage())));';
const usageSchema = z.object({ user: z.number(), system: z.number() });

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const seconds = quick ? 20 : 60;
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  const dataDir = join(dir, 'data');
  const env = {
    PATH: process.env['PATH'],
    SWA_DATA_DIR: dataDir,
    SWA_HTTP_PORT: '0',
    SWA_LOG_LEVEL: 'error',
  };
  const system = spawn(process.execPath, args(answersWithCpu, 'start'), {
    cwd: projectRoot,
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(system, 'exit');
  try {
    await fill(await until(() => runningUrl({ dataDir }, 'query')));
    await until(() => listRuns(dataDir).some(({ outcome }) => outcome === 'published') || undefined);
    await sleep(settleMs);
    const before = await cpuSeconds(system);
    const began = performance.now();
    await sleep(seconds * 1_000);
    const ofACore = ((await cpuSeconds(system)) - before) / ((performance.now() - began) / 1_000);
    const statuses = Array.from({ length: statusRuns }, () => {
      const { stderr } = spawnSync(process.execPath, args(endsWithCpu, 'status'), { cwd: projectRoot, env });
      return secondsOf(usageSchema.parse(JSON.parse(stderr.toString('utf8'))));
    });
    const statusSeconds = statuses.toSorted((a, b) => a - b)[Math.floor(statusRuns / 2)] ?? Infinity;
    return {
      target: `at rest < ${targetOfACore * 100} % of a core; one status < ${targetStatusSeconds} s of CPU`,
      met: ofACore < targetOfACore && statusSeconds < targetStatusSeconds,
      figures: {
        seconds,
        percentOfACore: Math.round(ofACore * 1e4) / 100,
        statusCpuSeconds: Math.round(statusSeconds * 1e3) / 1e3,
      },
    };
  } finally {
    system.kill('SIGTERM');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Arguments of node that run a command of ours after a line of JavaScript. */
function args(hook: string, command: string): string[] {
  return ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, 'bin/swa', command];
}

async function fill(origin: string): Promise<void> {
  const lines = Array.from({ length: facts }, (_, i) =>
    JSON.stringify({
      type: 'pageview',
      visitor: `cookie:${i % 100}`,
      url: `https://www.example.org/${i % 50}`,
    }),
  );
  await post(`${origin}/v1/events`, lines.join('\n'));
  await post(`${origin}/v1/batches`, '');
}

async function post(url: string, body: string): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/x-ndjson' },
  });
  if (response.status !== 202)
    throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}

async function cpuSeconds(system: ChildProcess): Promise<number> {
  const answer = once(system, 'message');
  system.send('cpu');
  return secondsOf(usageSchema.parse((await answer)[0]));
}

function secondsOf({ user, system }: z.infer<typeof usageSchema>): number {
  return (user + system) / 1e6;
}

async function until<T>(met: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const result = met();
    if (result !== undefined) return result;
    if (performance.now() > deadline) throw new Error('the system did not come so far within a minute');
    await sleep(50);
  }
}
