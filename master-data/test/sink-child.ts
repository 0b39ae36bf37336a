/**
 * A sink in its own process, for tests that kill it: `node sink-child.js '<ChildOrder>'`. Prints 'open' once it runs;
 * exits with 0 when it has committed what the log held at its start, with 1 and the error on stderr, its code in the
 * first line.
 */
import { readSync } from 'node:fs';
import { inspect } from 'node:util';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { SwaError } from '../../lib/errors/errors.js';
import { openLog } from '../../log/open-log.js';
import type { CommitStep } from '../commit.js';
import { sinkLockPath } from '../layout.js';
import { SinkSession } from '../sink-session.js';
import { contextOf } from './fixture.js';

export interface ChildOrder {
  readonly dataDir: string;
  readonly partitions: number;
  readonly maxRows: number;
  readonly fanIn: number;
  /** Kills itself by SIGKILL right after the n-th time (from 1) of this step. */
  readonly killAt?: { readonly step: CommitStep; readonly time: number };
  /** Runs without the lock, as a sink on another host would. */
  readonly unlocked?: boolean;
  /** Stands still at this step, every time, until a byte comes in on stdin. */
  readonly waitAt?: CommitStep;
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder; // written by the test
const { config, clock } = contextOf(order.dataDir, { partitions: order.partitions });
let times = 0;
try {
  const lock = order.unlocked === true ? undefined : OwnerLock.acquire(sinkLockPath(order.dataDir), 'sink');
  const log = await openLog(config, clock);
  const session = await SinkSession.open({
    dataDir: order.dataDir,
    log,
    maxRows: order.maxRows,
    intervalMs: 60_000,
    limits: { fanIn: order.fanIn, maxRows: 400, maxBytes: 1e9 },
    onStep: (step) => {
      if (step === order.killAt?.step && ++times === order.killAt.time) process.kill(process.pid, 'SIGKILL');
      if (step === order.waitAt) {
        process.stdout.write(`at ${step}\n`);
        readSync(0, Buffer.alloc(1)); // blocks
      }
    },
    onProblem: (error) => {
      throw error;
    },
  });
  process.stdout.write('open\n');
  await session.run({ signal: new AbortController().signal, until: await log.latest() });
  await session.close();
  await log.close();
  lock?.release();
} catch (error) {
  process.stderr.write(`${error instanceof SwaError ? error.code : String(error)}\n${inspect(error)}\n`);
  process.exitCode = 1;
}
