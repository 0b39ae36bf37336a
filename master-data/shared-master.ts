/**
 * A master dataset that several hosts share. The one in the data directory is then a copy of it: its manifests are the same, of its
 * files those are here that somebody here needs. A commit counts there; the manifest is linked here afterwards, as in any copy.
 * What it is shared through is not known here (`cluster/` does it with an object store).
 */
import type { PartitionName } from '../log/log.js';
import type { ChainHead, ManifestFile, NextManifest } from './manifest.js';

export interface SharedMaster {
  /** Brings the manifests here up to those there. Throws `master.conflict` when those here are of another history. */
  pull(): Promise<void>;
  /** Makes the dataset of this data directory the shared one where there is none yet. */
  adopt(): Promise<void>;
  /** Commits there, with the files that are new. Throws `master.conflict` when another has committed that number: then nothing has changed. */
  commit(name: PartitionName, head: ChainHead, next: NextManifest): Promise<void>;
  /** Has these files here, whole. Throws `store.corrupt`. */
  fetch(name: PartitionName, files: readonly ManifestFile[]): Promise<void>;
  /** Removes what nothing names any more there, and here what is more than the cache may hold. */
  tidy(name: PartitionName, head: ChainHead): Promise<void>;
}
