/**
 * The sweep removes files that are no longer referenced. The files of the newest manifest and of pinned manifests are
 * in use; everything else in a partition's directory was replaced by compaction or left by a crash.
 *
 * A data file is removed only if files of the newest manifest cover its offsets and have been found intact. So a start
 * removes none, because what a crash left has not been stored again yet. Only the holder of the sink's lock sweeps, and
 * it commits a manifest before it removes a file that it has not replaced itself: a writer that the lock did not stop,
 * and that is about to list that file in a manifest, then fails.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { digestFile } from '../lib/files/digest.js';
import { removeReplaced, removeScratch } from '../lib/files/removal.js';
import type { Sealed } from '../lib/files/sealed.js';
import type { PartitionName } from '../log/log.js';
import {
  dataFileRange,
  manifestPath,
  manifestsDir,
  masterDir,
  partitionDir,
  sinkTempDir,
  tempSuffix,
} from './layout.js';
import {
  endOf,
  keptManifests,
  manifestNumbers,
  readManifest,
  type ChainHead,
  type ManifestFile,
  type Root,
} from './manifest.js';
import { pinnedManifests } from './pins.js';
import { recoverHint } from './sealed-json.js';

/** Removes temp files of interrupted writers. Only at a start: later the temp files are our own. */
export function sweepTemps(dataDir: string, root: Sealed<Root>): void {
  removeScratch(sinkTempDir(dataDir));
  for (const own of ['root.json.', 'last-records.json.']) sweepDir(masterDir(dataDir), own);
  for (const name of root.body.partitions) {
    sweepDir(partitionDir(dataDir, name), '');
    sweepDir(manifestsDir(dataDir, name), '');
  }
}

/** Removes temp files of one directory; in a directory that others use too, only those with the sink's own prefix. */
function sweepDir(dir: string, prefix: string): void {
  for (const file of readdirSync(dir)) {
    if (file.startsWith(prefix) && file.endsWith(tempSuffix)) removeScratch(join(dir, file));
  }
}

/**
 * Throws `master.corrupt` for a partition whose files and manifests do not match, as after a partial restore: a listed
 * file that is missing or has another size, or a file after the cut that no crash leaves there (a crash leaves one,
 * which begins at the cut). Changes nothing.
 * @param isShared files may be missing here, because the shared store has them
 */
export function checkFiles(dataDir: string, name: PartitionName, head: ChainHead, isShared = false): void {
  const dir = partitionDir(dataDir, name);
  const missing = head.files.filter((file) => {
    const stat = statSync(join(dir, file.name), { throwIfNoEntry: false });
    return stat === undefined ? !isShared : stat.size !== file.sizeBytes;
  });
  if (missing.length > 0) {
    const names = missing.map((file) => file.name);
    throw new SwaError(
      'master.corrupt',
      `files in ${dir} are missing or do not have the size recorded in manifest ${head.number}: ${nameSome(names)}`,
      { hint: recoverHint },
    );
  }
  const cut = endOf(head);
  const stranded = readdirSync(dir).filter((file) => (dataFileRange(file)?.fromOffset ?? 0) > cut);
  if (stranded.length > 0) {
    throw new SwaError(
      'master.corrupt',
      `${dir} holds ${nameSome(stranded.toSorted())} after offset ${cut}, where its newest manifest (${head.number}) ends: manifests are missing`,
      { hint: recoverHint },
    );
  }
}

export function nameSome(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more files` : shown;
}

/**
 * Returns the data files below the cut that neither the newest manifest nor a pinned one lists; none while a reader has
 * not yet written what it pins.
 */
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
  const cut = endOf(head);
  return readdirSync(partitionDir(dataDir, name)).filter((file) => {
    const range = dataFileRange(file);
    return range !== undefined && range.toOffset <= cut && !alive.has(file);
  });
}

/**
 * Removes data files whose offsets are in intact files of the newest manifest, and returns their names. Other files
 * stay. Throws `master.corrupt` if a file of the newest manifest is damaged.
 * @param known files that this process has sealed or checked; files checked here are added
 */
export async function removeDeadFiles(
  dataDir: string,
  name: PartitionName,
  head: ChainHead,
  dead: readonly string[],
  known: Set<string>,
): Promise<string[]> {
  const dir = partitionDir(dataDir, name);
  const removed: string[] = [];
  for (const file of dead) {
    const covering = coveringFiles(head.files, file);
    if (covering === undefined) continue; // there is a gap: this may be the only copy
    for (const one of covering) {
      if (known.has(one.name)) continue;
      const { sha256 } = await digestFile(join(dir, one.name));
      if (sha256 !== one.sha256)
        throw new SwaError(
          'master.corrupt',
          `${join(dir, one.name)} does not match the hash in its manifest`,
          {
            hint: recoverHint,
          },
        );
      known.add(one.name);
    }
    removeReplaced([join(dir, file)], () => {
      for (const one of covering) {
        if (statSync(join(dir, one.name), { throwIfNoEntry: false })?.size === one.sizeBytes) continue;
        throw new SwaError(
          'master.corrupt',
          `${join(dir, one.name)}, which replaces ${file}, is incomplete`,
          {
            hint: recoverHint,
          },
        );
      }
    });
    removed.push(file);
  }
  return removed;
}

/**
 * Returns the files that cover all offsets of a data file, according to its name; undefined if some are not covered.
 */
function coveringFiles(files: readonly ManifestFile[], file: string): ManifestFile[] | undefined {
  const range = dataFileRange(file);
  if (range === undefined) return undefined;
  const covering = files.filter(
    ({ fromOffset, toOffset }) => fromOffset < range.toOffset && toOffset > range.fromOffset,
  );
  let at: number = range.fromOffset;
  for (const one of covering) {
    if (one.fromOffset > at) return undefined;
    at = one.toOffset;
  }
  return at >= range.toOffset ? covering : undefined;
}

/** Removes old manifests that are not pinned, after checking the newest one. */
export function removeOldManifests(
  dataDir: string,
  root: Sealed<Root>,
  name: PartitionName,
  head: ChainHead,
): void {
  const pinned = pinnedManifests(dataDir);
  if (pinned === 'everything') return;
  const old = manifestNumbers(dataDir, name).filter(
    (number) => number <= head.number - keptManifests && pinned.get(name)?.has(number) !== true,
  );
  const paths = old.map((number) => manifestPath(dataDir, name, number));
  removeReplaced(paths, () => void readManifest(dataDir, root, name, head.number));
}
