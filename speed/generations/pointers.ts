/** Where the workers of a realtime view agree: on the pointer, on who moves it, and on how far each of them is. */
import { hasCode } from '../../lib/errors/errors.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { readPointer, storeDir, writePointer, type Pointer } from '../store/layout.js';
import { readStoreState, type StoreState } from '../store/partition-store.js';

export interface Pointers {
  /** Whether the stores of all workers lie in one data directory. Where each has its own, it removes what is left over there. */
  readonly areTogether: boolean;
  /** Whether this worker is the one that moves the pointer. @param hasFirst it has the log's first partition */
  leads(hasFirst: boolean): boolean;
  /** What the pointer is now; undefined where this worker's own knowledge counts, or where there is none yet. */
  read(leads: boolean): Pointer | undefined;
  /** As it is stored; undefined where there is none, or a damaged one. */
  stored(): Pointer | undefined;
  /** Moves it. False where it has not been moved yet: to be called again, until it has been, or someone else leads. */
  write(to: Pointer): boolean;
  /** How far another worker's store is; undefined when there is none to be read. */
  stateOf(generation: ViewId, partition: PartitionName): StoreState | undefined;
}

/** Workers that share a data directory agree through its files. */
export class FilePointers implements Pointers {
  readonly areTogether = true;
  readonly #dataDir: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  leads(hasFirst: boolean): boolean {
    return hasFirst;
  }

  read(leads: boolean): Pointer | undefined {
    return leads ? undefined : readPointer(this.#dataDir);
  }

  stored(): Pointer | undefined {
    try {
      return readPointer(this.#dataDir);
    } catch (error) {
      if (hasCode(error, 'realtime.corrupt')) return undefined;
      throw error;
    }
  }

  write(to: Pointer): boolean {
    writePointer(this.#dataDir, to);
    return true;
  }

  stateOf(generation: ViewId, partition: PartitionName): StoreState | undefined {
    return readStoreState(storeDir(this.#dataDir, generation, partition));
  }
}
