/**
 * A number for a worker of a group whose members come and go: the least that no living worker of this data directory has.
 * It names the worker on the status board, and who comes after a dead one takes its place there.
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

  /** Throws `data-dir.in-use` when there are more workers than there can be. */
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
