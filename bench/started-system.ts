/** Runs `swa start` in its own process, for rows that measure the system as users run it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runningUrl } from '../cli/running-url.js';
import { projectRoot } from '../lib/files/assets.js';

const startsWithinMs = 60_000;

export interface StartedSystem {
  readonly origin: string;
  readonly dataDir: string;
  readonly pid: number;
  hasEnded(): boolean;
  /** Ends the process and removes the data directory. Resolves to the milliseconds that the process took to end. */
  stop(): Promise<number>;
}

/** Resolves when the system answers from its first view. Sets port and log level; `env` overrides. Throws if it is not ready within a minute. */
export async function startSystem(env: Readonly<Record<string, string>>): Promise<StartedSystem> {
  const dir = mkdtempSync(join(tmpdir(), 'swa-bench-'));
  const dataDir = join(dir, 'data');
  const child = spawn(process.execPath, ['bin/swa', 'start'], {
    cwd: projectRoot,
    env: {
      PATH: process.env['PATH'],
      SWA_DATA_DIR: dataDir,
      SWA_HTTP_PORT: '0',
      SWA_LOG_LEVEL: 'error',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<number> => {
    const began = performance.now();
    child.kill('SIGTERM');
    await exited;
    const tookMs = performance.now() - began;
    rmSync(dir, { recursive: true, force: true });
    return tookMs;
  };
  const deadline = performance.now() + startsWithinMs;
  while (performance.now() < deadline && !hasEnded()) {
    const origin = runningUrl({ dataDir }, 'query');
    if (origin !== undefined && (await isReady(origin)))
      return { origin, dataDir, pid: child.pid ?? 0, hasEnded, stop };
    await sleep(50);
  }
  await stop();
  throw new Error('the system was not ready within a minute');
}

/** The system listens before it has a view to answer from. */
async function isReady(origin: string): Promise<boolean> {
  const { ok } = await fetch(`${origin}/readyz`);
  return ok;
}

/** A range of 24 hours around a time (UTC ms), as query parameters. */
export function dayAround(now: number): string {
  const hour = 3_600_000;
  const from = Math.floor(now / hour) * hour - 12 * hour;
  return `from=${new Date(from).toISOString()}&to=${new Date(from + 24 * hour).toISOString()}`;
}
