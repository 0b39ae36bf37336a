/** The code of the commit thread: keeps the stores that it writes open until it is asked to release them. */
import { parentPort } from 'node:worker_threads';
import { SwaError } from '../../lib/errors/errors.js';
import { serveRequests } from '../../lib/process/request-thread.js';
import type { Commit, CommitAsking } from './commit-thread.js';
import { StoreWriter } from './store-writer.js';

const port = parentPort;
if (port === null) throw new SwaError('internal.invariant', 'commit-worker.js runs on a thread of its own');
const writers = new Map<string, StoreWriter>();

// Errors other than ours may be temporary, for example a file that cannot be opened now.
serveRequests<CommitAsking>(port, { code: 'speed.failed', retryable: true }, async (message) => {
  if (message.kind === 'commit') commit(message);
  else if (message.kind === 'release') await release(message.dir);
  else for (const dir of writers.keys()) await release(dir);
  return undefined;
});

function commit({ location, lgK, ...epoch }: Commit): void {
  let writer = writers.get(location.dir);
  if (writer === undefined) {
    writer = new StoreWriter(location, lgK);
    writers.set(location.dir, writer);
  }
  writer.commit(epoch);
}

async function release(dir: string): Promise<void> {
  const writer = writers.get(dir);
  writers.delete(dir);
  await writer?.close();
}
