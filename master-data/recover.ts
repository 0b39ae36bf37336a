/**
 * The way over facts that are lost: the log has dropped records (retention, or an operator) that the master dataset never
 * got. Nothing goes on by itself then, since a loss must not pass in silence. Whoever accepts it has the lost offsets
 * written into the manifests as gaps, and the sink goes on behind them. Nothing else is changed.
 */
import type { Clock } from '../lib/clock.js';
import type { Config } from '../lib/config/config.js';
import { openDataDir } from '../lib/data-dir.js';
import { OwnerLock } from '../lib/files/owner-lock.js';
import { checkCut, offsetAt } from '../lib/log/cut.js';
import type { Log, Offset, PartitionName } from '../lib/log/log.js';
import { sinkLockPath } from './layout.js';
import { commitManifest, endOf, openRoot, readHead } from './manifest.js';

export interface SkippedGap {
  readonly partition: PartitionName;
  readonly fromOffset: Offset;
  /** End exclusive. */
  readonly toOffset: Offset;
  /** Number of the manifest that lists it from now on. */
  readonly manifest: number;
}

/**
 * Accepts the loss of what lies between the master dataset's cut and the begin of the log; none where they touch. Throws
 * `data-dir.in-use` while a sink is at work, `log.mismatch` for another log, `master.corrupt`.
 */
export async function skipGaps(
  { config, clock }: { readonly config: Config; readonly clock: Clock },
  log: Log,
): Promise<SkippedGap[]> {
  const { dataDir } = config;
  openDataDir(config);
  const lock = OwnerLock.acquire(sinkLockPath(dataDir), 'recover');
  try {
    const root = openRoot(dataDir, log);
    const heads = root.body.partitions.map((name) => [name, readHead(dataDir, root, name)] as const);
    const next = Object.fromEntries(heads.map(([name, head]) => [name, endOf(head)]));
    await checkCut(log, { logId: root.body.logId, next }, 'the master dataset');
    const earliest = await log.earliest();
    return heads.flatMap(([partition, head]) => {
      const [fromOffset, toOffset] = [endOf(head), offsetAt(earliest, partition)];
      if (fromOffset >= toOffset) return [];
      const reason = 'the log had dropped these records before they were stored';
      const gap = { fromOffset, toOffset, acceptedAt: clock(), reason };
      const { number } = commitManifest(dataDir, root, partition, head, { gaps: [...head.gaps, gap] });
      return [{ partition, fromOffset, toOffset, manifest: number }];
    });
  } finally {
    lock.release();
  }
}
