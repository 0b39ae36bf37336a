/**
 * Failure counts of records in the current epoch. A failed slice makes all its records suspects: each is retried in a slice of its own, until
 * all succeed or one has failed three times and is set aside.
 */
import type { Offset, PartitionName } from '../../log/log.js';

const failuresToSetAside = 3;

export class FailedRecords {
  readonly #failures = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#failures.size === 0;
  }

  /** Counts a failure; true if the record has reached the limit and is to be set aside. */
  add(partition: PartitionName, offset: Offset): boolean {
    const key = keyOf(partition, offset);
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    return failures === failuresToSetAside;
  }

  isSuspect(partition: PartitionName, offset: Offset): boolean {
    return this.#failures.has(keyOf(partition, offset));
  }

  isSetAside(partition: PartitionName, offset: Offset): boolean {
    return (this.#failures.get(keyOf(partition, offset)) ?? 0) >= failuresToSetAside;
  }

  /** Call after the epoch is committed: no record is a suspect any more. */
  clear(): void {
    this.#failures.clear();
  }
}

function keyOf(partition: PartitionName, offset: Offset): string {
  return `${partition}@${offset}`;
}
