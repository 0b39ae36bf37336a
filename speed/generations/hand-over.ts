/**
 * Decides which generations there should be, and when the next one may take over. Pure functions; worker.ts carries them out.
 *
 * Why coverage never goes back: once the next generation has reached the serving one on a partition, the worker of that partition adds every
 * record to the next generation first, and only then to the serving one. So "next >= serving", once true, stays true for each partition without
 * any coordination between workers. When it has been observed for all partitions, the pointer can be moved at any later time.
 */
import { namesOf, offsetAt } from '../../log/cut.js';
import type { Offsets, PartitionName } from '../../log/log.js';
import { compareViewIds } from '../../facts/views/view-id.js';
import type { ViewId } from '../../facts/views/view.js';
import type { Pointer } from '../store/layout.js';
import type { StoreState } from '../store/partition-store.js';

/** The desired pointer when `current` is the published batch view. */
export function planned(pointer: Pointer, current: ViewId): Pointer {
  const { serving, next } = pointer;
  if (serving === undefined) return { ...pointer, next: current };
  if (current === serving) return { ...pointer, next: undefined }; // rolled back while its successor was made
  if (next === undefined || compareViewIds(current, next) < 0) return { ...pointer, next: current };
  return pointer; // `current` is newer than `next`: finish `next` first, or frequent publications would starve it
}

export function samePointer(a: Pointer, b: Pointer): boolean {
  return a.serving === b.serving && a.next === b.next && a.partitions.join() === b.partitions.join();
}

/** Positions that the serving generation must not pass: those of the next one, on partitions where it has caught up. */
export function limitsOf(serving: Offsets, next: Partial<Offsets>): Partial<Offsets> {
  return Object.fromEntries(
    namesOf(serving).flatMap((name) => {
      const reached = next[name];
      return reached !== undefined && reached >= offsetAt(serving, name) ? [[name, reached]] : [];
    }),
  );
}

/**
 * Whether the next generation may serve: on every partition it is ready and not behind the serving one. Reads the state of the next generation
 * first: if the two are equal then, the order of processing keeps them so.
 *
 * @param stateOf undefined if there is no store
 * @param servingLives whether the serving generation is still updated; a missing store is then being rebuilt
 */
export function mayTakeOver(
  pointer: Pointer,
  servingLives: boolean,
  stateOf: (generation: ViewId, partition: PartitionName) => StoreState | undefined,
): boolean {
  const { serving, next } = pointer;
  if (next === undefined) return false;
  return pointer.partitions.every((partition) => {
    const ours = stateOf(next, partition);
    if (ours === undefined || ours.next < ours.readyAt) return false;
    if (serving === undefined) return true;
    const theirs = stateOf(serving, partition);
    if (theirs === undefined) return !servingLives;
    return ours.next >= theirs.next && (!servingLives || ours.next >= theirs.readyAt);
  });
}
