/** The part of `swa recover` for realtime stores. A running speed layer rebuilds damaged stores by itself; a query process cannot. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../lib/errors/errors.js';
import { Findings } from '../../lib/errors/finding.js';
import { lmdbDamage } from '../../lib/files/lmdb-file.js';
import { moveAside } from '../../lib/files/removal.js';
import type { Offsets, PartitionName } from '../../log/log.js';
import { namesIn } from '../../log/stored.js';
import type { RecoveryPlace, RecoveryStep } from '../../lib/files/recovery.js';
import type { ViewId } from '../../facts/views/view.js';
import { auditStore } from './audit.js';
import { generationDir, generationIds, pointerPath, readPointer } from './layout.js';
import { readStoreState } from './partition-store.js';
import { dataFile } from './store-files.js';

export function planStores({ dataDir, asideDir }: RecoveryPlace): RecoveryStep[] {
  const steps: RecoveryStep[] = [];
  const action = 'move it aside; the speed layer rebuilds it from the log';
  try {
    readPointer(dataDir);
  } catch (error) {
    const run = (): void => void moveAside(pointerPath(dataDir), join(asideDir, 'speed'));
    steps.push({ finding: messageOf(error), action, run });
  }
  for (const { dir, name } of storesOf(dataDir)) {
    const report = new Findings();
    report.attempt(dir, '', () => auditStore(dir, basename(dir), name, report));
    const [first] = report.findings;
    if (first === undefined) continue;
    const run = (): void => void moveAside(dir, join(asideDir, 'speed', name));
    steps.push({ finding: first.finding, action, run });
  }
  return steps;
}

/** How far any intact store has read the log. */
export function furthestRead(dataDir: string): Partial<Offsets> {
  const ends: Partial<Record<PartitionName, Offsets[PartitionName]>> = {};
  for (const { dir, partition } of storesOf(dataDir)) {
    const next = lmdbDamage(dataFile(dir)) === undefined ? readStoreState(dir)?.next : undefined;
    if (next !== undefined && next > (ends[partition] ?? -1)) ends[partition] = next;
  }
  return ends;
}

function storesOf(dataDir: string): { dir: string; name: ViewId; partition: PartitionName }[] {
  return generationIds(dataDir).flatMap((id) =>
    namesIn(generationDir(dataDir, id)).flatMap((folder) => {
      const [, topic, number] = /^(pageviews|equivs)-(\d+)$/.exec(folder) ?? [];
      const dir = join(generationDir(dataDir, id), folder);
      if (topic === undefined || !existsSync(dataFile(dir))) return [];
      return [{ dir, name: id, partition: `${topic}/${Number(number)}` as PartitionName }]; // the pattern is that of the type
    }),
  );
}
