/**
 * A master dataset shared by several hosts. The one in the data directory is then a copy: it has the same manifests,
 * and those of the files that are needed here. The commit happens in the shared store; afterwards the manifest is
 * linked here, as in any copy. This interface does not say how the dataset is shared (`cluster/` uses an object store).
 */
import type { PartitionName } from '../log/log.js';
import type { ChainHead, ManifestFile, NextManifest } from './manifest.js';

export interface SharedMaster {
  /**
   * Copies new manifests from the shared store. Throws `master.conflict` if the local ones are from another history.
   */
  pull(): Promise<void>;
  /** Publishes the dataset of this data directory if the store has none yet. */
  adopt(): Promise<void>;
  /**
   * Commits a manifest and its new files to the shared store. Throws `master.conflict`, and changes nothing, if another
   * host has committed that number.
   */
  commit(name: PartitionName, head: ChainHead, next: NextManifest): Promise<void>;
  /** Makes sure that these files are here and intact. Throws `store.corrupt`. */
  fetch(name: PartitionName, files: readonly ManifestFile[]): Promise<void>;
  /** Removes unreferenced files from the shared store, and local files beyond the cache size. */
  tidy(name: PartitionName, head: ChainHead): Promise<void>;
  /**
   * Removes from the shared store, without the time that `tidy` leaves to readers, all that the newest manifest does not
   * name. Returns false if something of an unknown writer has to wait; call again later.
   */
  purge(name: PartitionName): Promise<boolean>;
  /** Copies the newest order to erase from the shared store, and this host's answer into it. */
  exchangeErasures(): Promise<void>;
}
