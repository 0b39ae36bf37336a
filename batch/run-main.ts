/** The child process of a batch run: brings the master dataset up to the log, runs, tells its parent, ends. */
import { systemClock } from '../lib/clock.js';
import { sendError } from '../lib/errors.js';
import { openLog } from '../lib/log/open-log.js';
import { catchUpMaster } from '../master-data/sink.js';
import { runBatch } from './run.js';
import type { RunMessage, RunRequest } from './spawn-run.js';

/** How long a run waits for a sink that works on facts already acknowledged. */
const catchUpTimeoutMs = 60_000;

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
process.once('SIGINT', () => stopping.abort());
// The parent is gone: nobody waits for this view, and a restarted parent will ask again.
process.once('disconnect', () => stopping.abort());

process.once('message', (raw) => {
  void run(raw as RunRequest).finally(() => process.disconnect()); // sent by spawn-run
});
tell({ type: 'ready' });

async function run({ config, trigger }: RunRequest): Promise<void> {
  try {
    const log = await openLog(config, systemClock);
    try {
      await catchUpMaster(
        { config, clock: systemClock },
        { log, timeoutMs: catchUpTimeoutMs, signal: stopping.signal },
      );
    } finally {
      await log.close();
    }
    const meta = await runBatch({
      config,
      clock: systemClock,
      trigger,
      signal: stopping.signal,
      onProgress: (progress) => tell({ type: 'progress', progress }),
    });
    tell({ type: 'published', meta });
  } catch (error) {
    tell({ type: 'failed', error: sendError(error, { code: 'batch.failed', retryable: false }) });
    process.exitCode = 1;
  }
}

function tell(message: RunMessage): void {
  if (process.connected) process.send?.(message);
}
