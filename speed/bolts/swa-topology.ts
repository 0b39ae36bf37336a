/**
 * The topology of SuperWebAnalytics, as in section 14.4.1 of the book:
 *
 *   pageview spout ──slices──> normalize bolt ──pages──> update view bolt
 *                    shuffle         │     fields: pageGroup ^
 *                                    └──────notes─────────────┘
 *                                          global
 *
 * It runs in epochs: feed the spout, call `turn` until every tree is acked or failed, then commit or discard.
 *
 * One slice is in flight at a time. This keeps the order of a partition's records, which repeats depend on, whatever the grouping; with all
 * tasks on one thread a second slice would only wait.
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
  /** Width of the generation's base buckets. */
  readonly width: BucketWidth;
  /** Partitions may be added and removed. */
  readonly work: ReadonlyMap<PartitionName, PartitionWork>;
  readonly seed: number;
  /** Monotonic milliseconds: a clock that jumps would make trees time out and set their facts aside. */
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
    maxSpoutPending: 1, // slices in flight
    batch: 256,
  });
  return { topology, spout };
}
