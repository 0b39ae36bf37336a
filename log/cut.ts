/** Compares and checks cuts. A cut never goes back; all layers check that with these functions. */
import { SwaError } from '../lib/errors/errors.js';
import {
  offset,
  type Cut,
  type Log,
  type LogId,
  type Offset,
  type Offsets,
  type PartitionName,
} from './log.js';

/** Returns the partitions named by a set of offsets. */
export function namesOf(next: Partial<Offsets>): PartitionName[] {
  return Object.keys(next) as PartitionName[];
}

/** Returns the offset of one partition. Throws `internal.invariant` if the cut does not name it. */
export function offsetAt(next: Partial<Offsets>, name: PartitionName): Offset {
  const value = next[name];
  if (value === undefined) {
    throw new SwaError('internal.invariant', `the cut does not name partition ${name}`, {
      context: { next },
    });
  }
  return value;
}

/** True when `a` has reached `b` on every partition of `b`. */
export function reaches(a: Partial<Offsets>, b: Partial<Offsets>): boolean {
  return namesOf(b).every((name) => (a[name] ?? -1) >= (b[name] ?? 0));
}

/** Returns how far a reader can read now; records beyond it wait for an open transaction to end. */
export async function readableEnd(log: Pick<Log, 'latest' | 'readable'>): Promise<Offsets> {
  return (await log.readable?.()) ?? log.latest();
}

/** Number of offsets between two positions, over the partitions of `to` (Kafka's holes included). */
export function distance(from: Partial<Offsets>, to: Partial<Offsets>): number {
  return namesOf(to).reduce((sum, name) => sum + Math.max(0, (to[name] ?? 0) - (from[name] ?? 0)), 0);
}

/** Offset 0 in every partition. */
export function zeroOffsets(partitions: readonly PartitionName[]): Offsets {
  return Object.fromEntries(partitions.map((name) => [name, offset(0)]));
}

/**
 * Throws `log.mismatch` if a stored cut does not belong to this log: it has another log id, or the log ends below it.
 * Every consumer calls this before it continues from a stored cut.
 */
export async function checkCut(log: Pick<Log, 'id' | 'latest'>, cut: Cut, owner: string): Promise<void> {
  checkLogId(log.id, cut.logId, owner);
  const latest = await log.latest();
  for (const name of namesOf(cut.next)) {
    const end = latest[name];
    const stored = offsetAt(cut.next, name);
    if (end === undefined || end < stored) {
      throw new SwaError(
        'log.mismatch',
        `${owner} has read ${name} up to offset ${stored}, but the log ends at ${end ?? 'no such partition'}`,
        {
          hint: 'the log has lost records or was replaced: restore it from a backup, or stop the system and run `swa recover` to see how to continue',
        },
      );
    }
  }
}

export function checkLogId(actual: LogId, stored: LogId, owner: string): void {
  if (actual === stored) return;
  throw new SwaError('log.mismatch', `${owner} was made from log ${stored}, but this log is ${actual}`, {
    hint: 'set SWA_DATA_DIR and SWA_KAFKA_BROKERS to a data directory and a cluster that belong together',
  });
}
