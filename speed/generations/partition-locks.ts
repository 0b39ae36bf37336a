/**
 * Locks of the partitions whose stores a worker may write. The share says which partitions it should have; a lock becomes free when its owner
 * has closed its stores or died. So a store never has two writers, even if a worker was removed from the group and does not know it yet.
 */
import { hasCode } from '../../lib/errors/errors.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import type { PartitionName, Share } from '../../log/log.js';
import { lockPath } from '../store/layout.js';

/** Interval of retries for a lock that another worker holds: each try starts a process. */
const askEveryMs = 500;

export class PartitionLocks {
  readonly #dataDir: string;
  readonly #share: Share;
  readonly #locks = new Map<PartitionName, OwnerLock>();
  /** Time of the next try for a lock that another worker holds. */
  readonly #askAt = new Map<PartitionName, number>();

  constructor(dataDir: string, share: Share) {
    this.#dataDir = dataDir;
    this.#share = share;
  }

  get names(): readonly PartitionName[] {
    return [...this.#locks.keys()];
  }

  has(name: PartitionName | undefined): boolean {
    return name !== undefined && this.#locks.has(name);
  }

  /** Locks held for partitions that are no longer in the share. */
  surplus(): PartitionName[] {
    const wanted = this.#share.partitions();
    return this.names.filter((name) => !wanted.includes(name));
  }

  /** Partitions of the share whose locks are not held yet. */
  missing(): PartitionName[] {
    return this.#share.partitions().filter((name) => !this.#locks.has(name));
  }

  /**
   * Acquires missing locks that are free. Throws `data-dir.in-use` if the share is fixed and a lock is not free, because no worker will release
   * it then.
   */
  take(): void {
    for (const name of this.missing()) {
      if (performance.now() < (this.#askAt.get(name) ?? 0)) continue;
      const lock = this.#tryLock(name);
      if (lock === undefined) this.#askAt.set(name, performance.now() + askEveryMs);
      else this.#locks.set(name, lock);
    }
  }

  release(names: readonly PartitionName[]): void {
    for (const name of names) {
      this.#locks.get(name)?.release();
      this.#locks.delete(name);
    }
  }

  #tryLock(name: PartitionName): OwnerLock | undefined {
    try {
      return OwnerLock.acquire(lockPath(this.#dataDir, name), `the speed worker of ${name}`);
    } catch (error) {
      const isHeld = hasCode(error, 'data-dir.in-use');
      if (isHeld && this.#share.kind === 'moving') return undefined;
      throw error;
    }
  }
}
