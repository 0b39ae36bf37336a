/** The child process of a batch run: brings the master dataset up to the log, runs, tells its parent, ends. */
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

/** How long a run waits for a sink that works on facts already acknowledged. */
const catchUpTimeoutMs = 60_000;

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
process.once('SIGINT', () => stopping.abort());
// The parent is gone: no one waits for this view, and a restarted parent will ask again.
process.once('disconnect', () => stopping.abort());

// Facts and questions go first where cores are short. Threads made from here on have it from the main thread.
setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
endWithParent(Number(process.argv[2]));

process.once('message', (raw) => {
  void run(raw as RunRequest).finally(end); // sent by spawn-run
});
void tell({ type: 'ready' });

async function run({ config, trigger, engine }: RunRequest): Promise<void> {
  try {
    if (config.store === '') await catchUp(config); // a shared master dataset was brought here before
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
  const { openEngine } = (await import(source.module)) as EngineModule; // named by our parent
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

/** Resolves when the parent has it, or no one is there to have it. */
function tell(message: RunMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

/** All files are written, locks given back and the parent told: an ordinary end would only wait for DuckDB's threads, some of which never end. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
