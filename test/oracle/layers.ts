/** What the oracle asks of each layer at a cut, and of the two together: the lambda law. */
import type { Rules } from '../../facts/rules.js';
import type { Offsets } from '../../log/log.js';
import {
  before,
  countedViews,
  personsOf,
  since,
  tallyOf,
  type CountedView,
  type PersonOf,
  type Placed,
  type Tally,
} from './oracle.js';

/** A batch view is made of everything before its cut. @param keptFrom as in ViewMeta */
export function batchTally(
  ledger: readonly Placed[],
  rules: Rules,
  bucketMinutes = 60,
  keptFrom?: number,
): Tally {
  const { views } = countedViews(ledger, rules, { keptFrom });
  return tallyOf(views, personsOf(ledger, rules, keptFrom), bucketMinutes);
}

/** A generation: the cut of its batch view, the mapping made there, and how far its speed layer looks back for repeats. */
export interface Generation {
  readonly from: Offsets;
  readonly personOf: PersonOf;
  /** Offsets. */
  readonly window: number;
  readonly rules: Rules;
  /** 60 by default. */
  readonly bucketMinutes?: number;
}

/** A realtime view at `cut` holds the facts of [from, cut). */
export function realtimeTally(ledger: readonly Placed[], generation: Generation, cut: Offsets): Tally {
  const { from, personOf, bucketMinutes } = generation;
  return tallyOf(since(viewsOf(ledger, generation, cut), from), personOf, bucketMinutes);
}

/**
 * Batch view and realtime view together hold all facts before `cut`, all under the one mapping and its exclusions. The reservation: a
 * repeat after `from` counts again when the first of its kind lies further back than the window, until the next run.
 */
export function generationTally(ledger: readonly Placed[], generation: Generation, cut: Offsets): Tally {
  const { personOf, bucketMinutes } = generation;
  return tallyOf(viewsOf(ledger, generation, cut), personOf, bucketMinutes);
}

function viewsOf(
  ledger: readonly Placed[],
  { from, window, rules }: Generation,
  cut: Offsets,
): readonly CountedView[] {
  const options = { excluding: before(ledger, from), window: { from, size: window } };
  return countedViews(before(ledger, cut), rules, options).views;
}
