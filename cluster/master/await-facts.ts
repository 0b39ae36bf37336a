/** Where sinks on any host commit, a batch run first waits until they have stored what the log holds now. */
import { setTimeout as sleep } from 'node:timers/promises';
import { reaches } from '../../log/cut.js';
import type { Cut, Offsets } from '../../log/log.js';
import { requestFlush } from '../../master-data/flush-request.js';
import { masterCut } from '../../master-data/snapshot.js';

export interface AwaitOptions {
  readonly dataDir: string;
  readonly atLeast: Offsets;
  /** Fetches commits of other hosts. */
  readonly pull: () => Promise<void>;
  /** After this long without progress the master dataset is taken as it is, so that a dead host does not block batch runs. */
  readonly patienceMs: number;
  readonly elapsedMs?: () => number;
  readonly signal?: AbortSignal | undefined;
}

const pollMs = 250;

/** Returns when the shared master dataset reaches `atLeast`, or has made no progress for `patienceMs`. Asks a sink on this host to commit at once. */
export async function awaitFacts(options: AwaitOptions): Promise<void> {
  const { dataDir, atLeast, pull, patienceMs, signal, elapsedMs = () => performance.now() } = options;
  let cut: Cut | undefined;
  let movedAt = elapsedMs();
  for (let isFirst = true; ; isFirst = false) {
    await pull();
    const now = masterCut(dataDir);
    if (now !== undefined && reaches(now.next, atLeast)) return;
    if (isFirst) requestFlush(dataDir, atLeast);
    if (now !== undefined && !(cut !== undefined && reaches(cut.next, now.next))) movedAt = elapsedMs();
    cut = now;
    if (elapsedMs() - movedAt >= patienceMs) return;
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}
