/**
 * The topology of SuperWebAnalytics, as section 14.4.1 of the book draws it:
 *
 *   pageview spout ──slices──> normalize bolt ──pages──> update view bolt
 *                    shuffle         │     fields: pageGroup ^
 *                                    └──────notes─────────────┘
 *                                          global
 *
 * It is run in epochs: feed the spout, turn until every tree is answered, then commit or discard.
 *
 * One slice is under way at a time. Repeats depend on the order of a partition's records, and so it is kept whatever the
 * grouping; with everything on one thread a second slice would only wait.
 */
import type { BucketWidth } from '../../lib/time/buckets.js';
import type { PartitionName } from '../../log/log.js';
import type { CountingRules } from './counting-rules.js';
import type { DimensionValues } from './dimension-values.js';
import { NormalizeBolt } from './normalize-bolt.js';
import { PageviewSpout } from './pageview-spout.js';
import type { PartitionWork } from '../generations/partition-work.js';
import type { PersonCoupons } from './person-coupons.js';
import { TopologyBuilder, seededRandom, type Topology } from '../../topology/index.js';
import { UpdateViewBolt } from './update-view-bolt.js';

const tasks = 2;

export interface SwaTopologyOptions {
  readonly rules: CountingRules;
  readonly persons: PersonCoupons;
  readonly values: DimensionValues;
  /** Of the generation's base buckets. */
  readonly width: BucketWidth;
  /** Partitions may come and go. */
  readonly work: ReadonlyMap<PartitionName, PartitionWork>;
  readonly seed: number;
  /** Monotonic milliseconds: if the clock jumped, trees would time out and their facts would be set aside. */
  readonly monotonic: () => number;
  readonly onError: (error: unknown) => void;
}

export function buildSwaTopology(options: SwaTopologyOptions): { topology: Topology; spout: PageviewSpout } {
  const { rules, persons, values, width, work, seed, monotonic, onError } = options;
  const spout = new PageviewSpout();
  const builder = new TopologyBuilder();
  builder.setSpout('pageview spout', () => spout);
  builder
    .setBolt('normalize', () => new NormalizeBolt(rules, work, persons, values, width), tasks)
    .shuffleGrouping('pageview spout', 'slices');
  builder
    .setBolt('update view', () => new UpdateViewBolt(work), tasks)
    .fieldsGrouping('normalize', ['pageGroup'], 'pages')
    .globalGrouping('normalize', 'notes');
  const topology = builder.build({
    clock: monotonic,
    random: seededRandom(seed),
    onError: ({ error }) => onError(error),
    maxSpoutPending: 1, // slices under way
    batch: 256,
  });
  return { topology, spout };
}
