/**
 * The topology of SuperWebAnalytics, as section 14.4.1 of the book draws it:
 *
 *   pageview spout ──slices──> normalize bolt ──pages──> update view bolt
 *                    shuffle         │     fields: lane       ^
 *                                    └──────notes─────────────┘
 *                                          global
 *
 * It is run in epochs: feed the spout, turn until every tree is answered, then commit or discard.
 */
import type { Clock } from '../lib/clock.js';
import type { Rules } from '../lib/facts/rules.js';
import type { PartitionName } from '../lib/log/log.js';
import { BotAgents } from './bot-agents.js';
import { NormalizeBolt } from './normalize-bolt.js';
import { PageviewSpout } from './pageview-spout.js';
import type { PartitionWork } from './partition-work.js';
import type { PersonCoupons } from './person-coupons.js';
import { TopologyBuilder, seededRandom, type Topology } from './topology/index.js';
import { UpdateViewBolt } from './update-view-bolt.js';

const tasks = 2;

export interface SwaTopologyOptions {
  readonly rules: Rules;
  readonly persons: PersonCoupons;
  /** Partitions may come and go. */
  readonly work: ReadonlyMap<PartitionName, PartitionWork>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export function buildSwaTopology(options: SwaTopologyOptions): { topology: Topology; spout: PageviewSpout } {
  const { rules, persons, work, clock, onError } = options;
  const bots = new BotAgents(rules.bots);
  const spout = new PageviewSpout();
  const builder = new TopologyBuilder();
  builder.setSpout('pageview spout', () => spout);
  builder
    .setBolt('normalize', () => new NormalizeBolt(bots, work, persons), tasks)
    .shuffleGrouping('pageview spout', 'slices');
  builder
    .setBolt('update view', () => new UpdateViewBolt(work), tasks)
    .fieldsGrouping('normalize', ['lane'], 'pages')
    .globalGrouping('normalize', 'notes');
  const topology = builder.build({
    clock,
    random: seededRandom(clock()),
    onError: ({ error }) => onError(error),
    maxSpoutPending: 2, // slices under way: what a turn may take of the event loop
    batch: 256,
  });
  return { topology, spout };
}
