/**
 * The partitions a worker may write the stores of: those whose locks it holds. The share says which ones it should hold;
 * a lock becomes free when its owner has closed its stores, or is dead. So a store never has two writers, not even
 * while a worker that was put out of the group does not know it yet.
 */
import { hasCode } from '../../lib/errors/errors.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import type { PartitionName, Share } from '../../log/log.js';
import { lockPath } from '../store/layout.js';

/** How often what another one holds is asked for: each time starts a small program. */
const askEveryMs = 500;

export class PartitionLocks {
  readonly #dataDir: string;
  readonly #share: Share;
  readonly #locks = new Map<PartitionName, OwnerLock>();
  /** When a partition that another one holds is asked for again. */
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

  /** Held, but not to be held any more. */
  surplus(): PartitionName[] {
    const wanted = this.#share.partitions();
    return this.names.filter((name) => !wanted.includes(name));
  }

  /** To be held, but still held by another worker. */
  missing(): PartitionName[] {
    return this.#share.partitions().filter((name) => !this.#locks.has(name));
  }

  /**
   * Takes what is missing and free. Throws `data-dir.in-use` in a fixed share when something is not free: no one will
   * give it up then.
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
