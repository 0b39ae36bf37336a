import { exclusionKinds } from '../../facts/fact.js';

/** What the histories held and what was compared: a law that met nothing proves nothing. */
export class Seen {
  facts = 0;
  invalidRecords = 0;
  repeats = 0;
  /** Counted again by the speed layer, since the first of their kind lay beyond its window. */
  repeatsBeyondWindow = 0;
  repeatedEdges = 0;
  retractions = 0;
  lateFacts = 0;
  bots = 0;
  edgesAfterCut = 0;
  exclusionsAfterCut = 0;
  /** Pageviews that a batch view leaves out, by kind of the exclusion; one by several kinds counts for each. */
  readonly excluded: Record<string, number> = {};
  /** Pageviews after a batch view's cut that the speed layer leaves out. */
  excludedAfterCut = 0;
  /** Exclusions that a later fact has taken back. */
  includes = 0;
  /** Repeats that count, since the first of their kind is excluded. */
  repeatsOfExcluded = 0;
  batchRuns = 0;
  handOvers = 0;
  crashes = 0;
  /** Epochs of which some partitions were not committed. */
  stalledEpochs = 0;
  restarts = 0;
  losses = 0;
  checks = 0;
  /** Looks at a realtime view that was being made again. */
  rebuilding = 0;
  cells = 0;
  /** Cells that one of the layers held as registers. */
  registers = 0;
  joinedIds = 0;
  /** By dimension: the most different values in one history. */
  readonly values: Record<string, number> = {};

  /** What must not be zero; of values there must be several. */
  get all(): Readonly<Record<string, number>> {
    const { values, excluded, ...counts } = this;
    const several = Object.entries(values).map(([dimension, count]) => [`values of ${dimension}`, count - 1]);
    const ofKinds = exclusionKinds.map((by) => [`pageviews excluded by ${by}`, excluded[by] ?? 0]);
    return { ...counts, ...Object.fromEntries([...several, ...ofKinds]) };
  }
}
