/**
 * Number of a worker in a group whose members come and go: the lowest that no living worker of this data directory has. It identifies the worker
 * on the status board, and is reused after the worker's death.
 */
import { hasCode } from '../../lib/errors/errors.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { slotPath } from '../store/layout.js';

const most = 256;

export class WorkerSlot {
  readonly number: number;
  readonly #lock: OwnerLock;

  private constructor(number: number, lock: OwnerLock) {
    this.number = number;
    this.#lock = lock;
  }

  /** Throws `data-dir.in-use` if all numbers are taken. */
  static take(dataDir: string): WorkerSlot {
    for (let number = 0; ; number++) {
      try {
        return new WorkerSlot(number, OwnerLock.acquire(slotPath(dataDir, number), `speed worker ${number}`));
      } catch (error) {
        const isTaken = hasCode(error, 'data-dir.in-use');
        if (!isTaken || number + 1 === most) throw error;
      }
    }
  }

  release(): void {
    this.#lock.release();
  }
}
