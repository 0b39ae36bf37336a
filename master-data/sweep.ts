/**
 * The sweep: removes what nothing names any more. Alive are the files of the newest manifest and those of pinned
 * manifests; everything else in a partition's directory is an orphan of a crash or was replaced by compaction.
 * Only the holder of the sink's lock sweeps.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PartitionName } from '../lib/log/log.js';
import { isDataFileName, manifestPath, manifestsDir, masterDir, partitionDir, tempSuffix } from './layout.js';
import { keptManifests, manifestNumbers, readManifest, type ChainHead, type Root } from './manifest.js';
import { pinnedManifests } from './pins.js';
import type { Sealed } from './sealed-json.js';

/** Removes what interrupted writers left. At start only: later the temp files are our own. */
export function sweepTemps(dataDir: string, root: Sealed<Root>): void {
  const dirs = root.body.partitions.flatMap((name) => [
    partitionDir(dataDir, name),
    manifestsDir(dataDir, name),
  ]);
  for (const dir of [masterDir(dataDir), ...dirs]) {
    for (const file of readdirSync(dir)) {
      if (file.endsWith(tempSuffix)) rmSync(join(dir, file), { force: true });
    }
  }
}

/** Removes replaced and orphaned data files and old manifests; nothing while a reader is about to say what it pins. */
export function sweep(
  dataDir: string,
  root: Sealed<Root>,
  heads: ReadonlyMap<PartitionName, ChainHead>,
): void {
  const pinned = pinnedManifests(dataDir);
  if (pinned === 'everything') return;
  for (const [name, head] of heads) {
    const pins = pinned.get(name) ?? new Set<number>();
    sweepData(dataDir, root, name, head, pins);
    for (const number of manifestNumbers(dataDir, name)) {
      if (number <= head.number - keptManifests && !pins.has(number)) {
        rmSync(manifestPath(dataDir, name, number), { force: true });
      }
    }
  }
}

function sweepData(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  head: ChainHead,
  pins: ReadonlySet<number>,
): void {
  const alive = new Set(head.files.map((file) => file.name));
  for (const number of pins) {
    if (number === 0) continue;
    for (const file of readManifest(dataDir, root, name, number).body.files) alive.add(file.name);
  }
  const dir = partitionDir(dataDir, name);
  for (const file of readdirSync(dir)) {
    if (isDataFileName(file) && !alive.has(file)) rmSync(join(dir, file), { force: true });
  }
}
