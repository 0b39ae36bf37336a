/** Public names of the topology library. */
export { TopologyBuilder } from './builder.js';
export type { BoltDeclarer } from './builder.js';
export type {
  Anchors,
  Bolt,
  BoltModule,
  BoltOutput,
  MessageId,
  Spout,
  SpoutOutput,
  Streams,
  TaskContext,
} from './component.js';
export { TopologyError } from './errors.js';
export type { TopologyErrorCode } from './errors.js';
export type { BoltError } from './tuple-trees.js';
export type { MetricsSnapshot } from './metrics.js';
export { seededRandom } from './random.js';
export type { Random } from './random.js';
export type { Topology, TopologyOptions } from './topology.js';
export { defaultStream } from './tuple.js';
export type { Fields, Tuple, Values } from './tuple.js';
