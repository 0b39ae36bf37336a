/**
 * Everything that keeps files, at work one thing after the other in a process of its own: for runs under the shim.
 * Arguments: the data directory, the number of the first fact, then parts of `parts`. Writes a line `+ <eventIds>` to stdout
 * for facts that were acknowledged, and a mark into the shim's log; what cannot be done ends it with code 1 and the error
 * on stderr.
 */
import { appendFileSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { runBatch } from '../../batch/run.js';
import { systemClock } from '../../lib/time/clock.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { openLog, openLogWriter } from '../../log/open-log.js';
import { offset, type LogWriter } from '../../log/log.js';
import { Trimmer } from '../../log/retention.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { readCurrent } from '../../serving/current.js';
import { holdViews } from '../../serving/held.js';
import { ensureGenesis } from '../../serving/store.js';
import { recordsOf } from '../../speed/test/facts.js';
import { writeDeadLetter } from '../../speed/bolts/dead-letters.js';
import { writePointer } from '../../speed/store/layout.js';
import { jobMark } from './order.js';
import { markLine } from './shim.js';
import { workloadConfig, workloadFact, workloadRules, type WorkloadPart } from './workload-facts.js';

const [dataDir = '', first = '0', ...wanted] = process.argv.slice(2);
const config = workloadConfig(dataDir);
const clock = systemClock;
let next = Number(first);

const parts: Readonly<Record<WorkloadPart, () => Promise<void> | void>> = {
  /** The door's half: appends that are acknowledged, over several segments. */
  log: () =>
    withLog(async (log) => {
      for (let i = 0; i < 4; i++) {
        const facts = Array.from({ length: 3 }, () => workloadFact(next++));
        const ids = facts.map(({ eventId }) => eventId).join(' ');
        try {
          await log.append(recordsOf(facts));
          mark('ack', ids);
          writeSync(1, `+ ${ids}\n`);
        } catch (error) {
          mark('refused', ids);
          if (!isRetryable(error)) throw error;
        }
      }
    }),

  /** A file for each fact, so that they are merged. */
  sink: async () => {
    await drainLogToMaster({ config, clock });
  },

  batch: async () => {
    const log = await openLog(config, clock);
    try {
      const cut = { logId: log.id, next: await log.earliest() };
      const { lgK, bucketMinutes } = config;
      await ensureGenesis(dataDir, { cut, lgK, bucketMinutes, rules: workloadRules, createdAt: clock() });
    } finally {
      await log.close();
    }
    await runBatch({ config, clock, trigger: 'command' });
  },

  trim: () => withLog((log) => new Trimmer(dataDir, log).run()),

  /** What the speed layer keeps durably. */
  pointers: () => {
    const current = readCurrent(dataDir);
    holdViews(dataDir, 'speed', [current]);
    writePointer(dataDir, { partitions: ['pageviews/0', 'equivs/0'], serving: undefined, next: current });
    writePointer(dataDir, { partitions: ['pageviews/0', 'equivs/0'], serving: current, next: undefined });
    const value = Buffer.from('not a fact');
    writeDeadLetter(dataDir, { partition: 'pageviews/0', offset: offset(0), reason: 'test', at: 0, value });
  },

  jobs: async () => {
    await openJobQueue(dataDir, 'import', clock).close(); // one that nothing is added to
    const jobs = openJobQueue(dataDir, 'batch-run', clock);
    try {
      jobs.add({ requestedBy: 'test', requestedAt: 0 });
      mark('ack', jobMark);
      const job = jobs.get();
      if (job !== undefined) jobs.ack(job.id);
    } finally {
      await jobs.close();
    }
  },
};

async function withLog(work: (log: LogWriter) => Promise<void>): Promise<void> {
  openDataDir(config);
  const log = await openLogWriter(config, clock);
  try {
    await work(log);
  } finally {
    await log.close();
  }
}

function isRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}

function mark(op: 'ack' | 'refused', what: string): void {
  const path = process.env['SHIM_LOG'];
  if (path !== undefined) appendFileSync(path, markLine(op, what));
}

try {
  for (const part of wanted) await parts[part as WorkloadPart](); // given by the tests
} catch (error) {
  process.stderr.write(`${inspect(error)}\n`);
  process.exitCode = 1;
}
