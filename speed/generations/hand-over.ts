/**
 * Which generations there should be, and when the next one may take over. Pure decisions; worker.ts carries them out.
 *
 * How coverage never goes back: from the moment that the next generation has reached the serving one on a partition,
 * the worker of that partition brings every record into the next generation first, and only then into the serving one.
 * So "next >= serving" once true stays true, partition by partition, without any worker waiting for another, and when it
 * has been seen true for all partitions the pointer can be flipped at any later moment.
 */
import { namesOf, offsetAt } from '../../log/cut.js';
import type { Offsets, PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import type { Pointer } from '../store/layout.js';
import type { StoreState } from '../store/partition-store.js';

/** What the pointer should say when `current` is the published batch view. ViewIds sort by age. */
export function planned(pointer: Pointer, current: ViewId): Pointer {
  const { serving, next } = pointer;
  if (serving === undefined) return { ...pointer, next: current };
  if (current === serving) return { ...pointer, next: undefined }; // rolled back while its successor was made
  if (next === undefined || current < next) return { ...pointer, next: current };
  return pointer; // a newer view than the one under way: first things first, else a busy publisher starves us
}

export function samePointer(a: Pointer, b: Pointer): boolean {
  return a.serving === b.serving && a.next === b.next && a.partitions.join() === b.partitions.join();
}

/** Positions the serving generation must not pass: those of the next one, where that has caught up. */
export function limitsOf(serving: Offsets, next: Partial<Offsets>): Partial<Offsets> {
  return Object.fromEntries(
    namesOf(serving).flatMap((name) => {
      const reached = next[name];
      return reached !== undefined && reached >= offsetAt(serving, name) ? [[name, reached]] : [];
    }),
  );
}

/**
 * True when the next generation may serve: it is ready, and not behind the serving one, on every partition. Asks for
 * the state of the next generation first: if the two are equal then, the order of work keeps them so.
 * @param stateOf undefined for a store that is not there
 * @param servingLives whether the serving generation is still worked on; a missing store is then being rebuilt
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
