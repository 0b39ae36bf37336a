/**
 * The sweep: removes what nothing names any more. Alive are the files of the newest manifest and those of pinned
 * manifests; everything else in a partition's directory is an orphan of a crash or was replaced by compaction.
 * Only the holder of the sink's lock sweeps; and it commits a manifest before it removes a file that it has not replaced
 * itself, so that a writer the lock did not see, about to name that file, comes too late.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Sealed } from '../lib/files/sealed.js';
import type { PartitionName } from '../lib/log/log.js';
import {
  isDataFileName,
  manifestPath,
  manifestsDir,
  masterDir,
  partitionDir,
  sinkTempDir,
  tempSuffix,
} from './layout.js';
import { keptManifests, manifestNumbers, readManifest, type ChainHead, type Root } from './manifest.js';
import { pinnedManifests } from './pins.js';

/** Removes what interrupted writers left. At start only: later the temp files are our own. */
export function sweepTemps(dataDir: string, root: Sealed<Root>): void {
  rmSync(sinkTempDir(dataDir), { recursive: true, force: true });
  for (const own of ['root.json.', 'last-records.json.']) sweepDir(masterDir(dataDir), own);
  for (const name of root.body.partitions) {
    sweepDir(partitionDir(dataDir, name), '');
    sweepDir(manifestsDir(dataDir, name), '');
  }
}

/** Temp files of one directory; in a shared one only those of a file that is the sink's alone. */
function sweepDir(dir: string, prefix: string): void {
  for (const file of readdirSync(dir)) {
    if (file.startsWith(prefix) && file.endsWith(tempSuffix)) rmSync(join(dir, file), { force: true });
  }
}

/** Data files that neither the newest manifest names nor a pinned one; none while a reader is about to say what it pins. */
export function deadFiles(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  head: ChainHead,
): string[] {
  const pinned = pinnedManifests(dataDir);
  if (pinned === 'everything') return [];
  const alive = new Set(head.files.map((file) => file.name));
  for (const number of pinned.get(name) ?? []) {
    if (number === 0) continue;
    for (const file of readManifest(dataDir, root, name, number).body.files) alive.add(file.name);
  }
  return readdirSync(partitionDir(dataDir, name)).filter((file) => isDataFileName(file) && !alive.has(file));
}

export function removeFiles(dataDir: string, name: PartitionName, files: readonly string[]): void {
  for (const file of files) rmSync(join(partitionDir(dataDir, name), file), { force: true });
}

/** Removes the manifests that have many successors and are not pinned. */
export function removeOldManifests(dataDir: string, name: PartitionName, head: ChainHead): void {
  const pinned = pinnedManifests(dataDir);
  if (pinned === 'everything') return;
  for (const number of manifestNumbers(dataDir, name)) {
    if (number > head.number - keptManifests) return;
    if (pinned.get(name)?.has(number) !== true) rmSync(manifestPath(dataDir, name, number), { force: true });
  }
}
