/** The child process of a batch run: brings the master dataset up to date with the log, executes the run, reports to its parent, and ends. */
import { constants, getPriority, setPriority } from 'node:os';
import { systemClock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import { sendError } from '../lib/errors/errors.js';
import { openLog } from '../log/open-log.js';
import { catchUpMaster } from '../master-data/role.js';
import { endWithParent } from './parent-watch.js';
import { runBatch } from './run.js';
import type { RunMessage, RunRequest } from './spawn-run.js';
import type { Engine, EngineModule } from './tables/contract.js';

/** Maximum time to wait for a sink to store facts that are already acknowledged. */
const catchUpTimeoutMs = 60_000;

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
process.once('SIGINT', () => stopping.abort());
// The parent has died: it no longer waits for this view, and will request a run when it restarts.
process.once('disconnect', () => stopping.abort());

// Lower priority than the roles that take facts and answer queries. Threads created from here on inherit it.
setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
endWithParent(Number(process.argv[2]));

process.once('message', (raw) => {
  void run(raw as RunRequest).finally(end); // sent by spawn-run
});
void tell({ type: 'ready' });

async function run({ config, trigger, engine }: RunRequest): Promise<void> {
  try {
    if (config.store === '') await catchUp(config); // a shared master dataset was brought up to date before
    const meta = await runBatch({
      engine: await open(engine, config),
      config,
      clock: systemClock,
      trigger,
      signal: stopping.signal,
      onProgress: (progress) => void tell({ type: 'progress', progress }),
    });
    await tell({ type: 'published', meta });
  } catch (error) {
    await tell({ type: 'failed', error: sendError(error, { code: 'batch.failed', retryable: false }) });
  }
}

async function open(source: RunRequest['engine'], config: Config): Promise<Engine | undefined> {
  if (source === undefined) return undefined;
  const { openEngine } = (await import(source.module)) as EngineModule; // set by our parent
  return openEngine(config, source.environment);
}

async function catchUp(config: Config): Promise<void> {
  const log = await openLog(config, systemClock);
  try {
    await catchUpMaster(
      { config, clock: systemClock },
      { log, timeoutMs: catchUpTimeoutMs, signal: stopping.signal },
    );
  } finally {
    await log.close();
  }
}

/** Resolves when the message is sent, or the parent is gone. */
function tell(message: RunMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

/** All files are written, locks released and the parent informed. An ordinary exit would wait for DuckDB's threads, some of which never end. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
