/** Shared state of the workers of a realtime view: the pointer, which worker moves it, and each worker's progress. */
import { hasCode } from '../../lib/errors/errors.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { readPointer, storeDir, writePointer, type Pointer } from '../store/layout.js';
import { readStoreState, type StoreState } from '../store/partition-store.js';

export interface Pointers {
  /** Whether the stores of all workers are in one data directory. If each worker has its own, it removes obsolete generations there itself. */
  readonly areTogether: boolean;
  /** Whether this worker moves the pointer. @param hasFirst it has the log's first partition */
  leads(hasFirst: boolean): boolean;
  /** The current pointer; undefined if the worker should keep its own copy, or if there is none yet. */
  read(leads: boolean): Pointer | undefined;
  /** The pointer as stored; undefined if there is none or it is damaged. */
  stored(): Pointer | undefined;
  /** Moves the pointer. False if it is not moved yet: call again until it is, or until another worker leads. */
  write(to: Pointer): boolean;
  /** State of another worker's store; undefined if there is none or it cannot be read. */
  stateOf(generation: ViewId, partition: PartitionName): StoreState | undefined;
}

/** Shares state through the files of a common data directory. */
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
