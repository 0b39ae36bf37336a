import type { ValueCombinations } from '../bolts/dimension-values.js';
import type { PageCache } from '../bolts/page-cache.js';
import type { PartitionRepeats } from '../bolts/partition-repeats.js';
import type { ChangeCollector } from '../store/epoch-changes.js';

/** State of the bolts for one partition. */
export interface PartitionWork {
  readonly pages: PageCache;
  readonly combinations: ValueCombinations;
  readonly repeats: PartitionRepeats;
  readonly changes: ChangeCollector;
}
