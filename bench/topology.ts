/**
 * Row `topology`: the engine with acking and two bolts, one spout tuple per pageview, against direct calls of the same functions. They are those of
 * the speed layer: normalise the URL and compute the visitor's coupon; then count the view and add the coupon to `Map<URL, Map<hour, sketch>>`. The
 * two alternate and the best of each counts, so that other load of the machine affects both alike.
 */
import { HllSketch, coupon } from 'hyperloglog-ts';
import { systemClock } from '../lib/time/clock.js';
import { UrlRules } from '../facts/url/normalize.js';
import { Acker } from '../topology/acker.js';
import { seededRandom, TopologyBuilder } from '../topology/index.js';
import type {
  Bolt,
  BoltOutput,
  Spout,
  SpoutOutput,
  TaskContext,
  Topology,
  Tuple,
} from '../topology/index.js';
import type { BenchOptions, BenchResult } from './row.js';

const targetRatio = 0.4;
const targetPerSecond = 500_000;
const pages = 5_000;
const visitors = 200_000;
/** A realtime view covers the hours since the last batch run. */
const hours = 2;

interface Pageview {
  readonly url: string;
  readonly visitor: string;
  readonly hour: number;
}

interface Cell {
  views: number;
  readonly sketch: HllSketch;
}

/** The view that both variants fill. */
class View {
  views = 0;
  private readonly cells = new Map<string, Map<number, Cell>>();

  add(url: string, hour: number, visitorCoupon: number): void {
    let byHour = this.cells.get(url);
    if (byHour === undefined) this.cells.set(url, (byHour = new Map()));
    let cell = byHour.get(hour);
    if (cell === undefined) byHour.set(hour, (cell = { views: 0, sketch: new HllSketch() }));
    cell.views++;
    cell.sketch.updateCoupon(visitorCoupon);
    this.views++;
  }
}

class PageviewSpout implements Spout {
  readonly outputs = { default: ['pageview'] };
  acked = 0;
  private output: SpoutOutput | undefined;
  private next = 0;

  constructor(private readonly pageviews: readonly Pageview[]) {}

  open(_: TaskContext, output: SpoutOutput): void {
    this.output = output;
  }
  nextTuple(): void {
    if (this.next < this.pageviews.length) this.output?.emit([this.pageviews[this.next]], this.next++);
  }
  ack(): void {
    this.acked++;
  }
}

class NormalizeBolt implements Bolt<[pageview: Pageview]> {
  readonly outputs = { default: ['url', 'hour', 'coupon'] };
  private readonly rules = new UrlRules();
  private output: BoltOutput | undefined;

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }
  execute(tuple: Tuple<[pageview: Pageview]>): void {
    const pageview = tuple.values[0];
    const normalized = this.rules.normalize(pageview.url);
    if (normalized.ok) this.output?.emit([normalized.url, pageview.hour, coupon(pageview.visitor)], tuple);
    this.output?.ack(tuple);
  }
}

class UpdateBolt implements Bolt<[url: string, hour: number, coupon: number]> {
  private output: BoltOutput | undefined;

  constructor(private readonly view: View) {}

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }
  execute(tuple: Tuple<[url: string, hour: number, coupon: number]>): void {
    this.view.add(tuple.values[0], tuple.values[1], tuple.values[2]);
    this.output?.ack(tuple);
  }
}

class KeepBolt implements Bolt {
  readonly kept: Tuple[] = [];

  execute(tuple: Tuple): void {
    this.kept.push(tuple);
  }
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const count = quick ? 100_000 : 500_000;
  const rounds = quick ? 3 : 5;
  const pageviews = samplePageviews(count);
  let [direct, engine, spread] = [never, never, never];
  for (let round = 0; round < rounds; round++) {
    direct = lesser(
      direct,
      timeOf(count, () => callDirectly(pageviews)),
    );
    engine = lesser(
      engine,
      timeOf(count, () => callByTopology(pageviews, 1)),
    );
    spread = lesser(
      spread,
      timeOf(count, () => callByTopology(pageviews, 4)),
    );
  }
  const ratio = direct.seconds / engine.seconds;
  const perSecond = Math.round(count / engine.seconds);
  const pending = quick ? 20_000 : 500_000;
  return {
    target: `>= ${targetRatio} of direct calls and >= ${targetPerSecond} spout tuples/s`,
    met: ratio >= targetRatio && perSecond >= targetPerSecond,
    ratio,
    figures: {
      spoutTuplesPerSecond: perSecond,
      directCallsPerSecond: Math.round(count / direct.seconds),
      engineNanosecondsPerSpoutTuple: Math.round(((engine.seconds - direct.seconds) / count) * 1e9),
      spoutTuplesPerSecondWithFourTasksABolt: Math.round(count / spread.seconds),
      spoutTuplesPerCpuSecond: Math.round(count / engine.cpuSeconds),
      ratioByCpuTime: Number((direct.cpuSeconds / engine.cpuSeconds).toFixed(3)),
      ackerBytesPerPendingTuple: ackerBytesPerEntry(),
      heapBytesPerPendingTuple: bytesPerPendingTuple(pending),
    },
  };
}

function samplePageviews(count: number): readonly Pageview[] {
  const random = seededRandom(14);
  const below = (bound: number): number => (random.int32() >>> 0) % bound;
  return Array.from({ length: count }, () => ({
    // The square makes low numbers more likely, so some pages are far busier than others.
    url: `https://Example.com/section/page-${Math.floor(below(pages) ** 2 / pages)}/`,
    visitor: `cookie:${below(visitors)}`,
    hour: 490_000 + below(hours),
  }));
}

function callDirectly(pageviews: readonly Pageview[]): number {
  const rules = new UrlRules();
  const view = new View();
  for (const { url, visitor, hour } of pageviews) {
    const normalized = rules.normalize(url);
    if (normalized.ok) view.add(normalized.url, hour, coupon(visitor));
  }
  return view.views;
}

function callByTopology(pageviews: readonly Pageview[], parallelism: number): number {
  const spout = new PageviewSpout(pageviews);
  const view = new View();
  const builder = new TopologyBuilder();
  builder.setSpout('pageviews', () => spout);
  builder.setBolt('normalize', () => new NormalizeBolt(), parallelism).shuffleGrouping('pageviews');
  builder.setBolt('update', () => new UpdateBolt(view), parallelism).fieldsGrouping('normalize', ['url']);
  const topology = build(builder, 4096);
  topology.runUntilIdle();
  topology.close();
  return Math.min(view.views, spout.acked);
}

/** Memory per pending tuple: its entry, message id, tuple, edge and values. */
function bytesPerPendingTuple(count: number): number {
  const pageviews = Array.from({ length: count }, (_, hour) => ({ url: '', visitor: '', hour }));
  const keep = new KeepBolt();
  const builder = new TopologyBuilder();
  builder.setSpout('pageviews', () => new PageviewSpout(pageviews));
  builder.setBolt('keep', () => keep).shuffleGrouping('pageviews');
  const topology = build(builder, count);
  const before = heldBytes();
  topology.runUntilIdle();
  const held = heldBytes() - before;
  if (keep.kept.length !== count || topology.pending !== count) throw new Error('not all tuples are pending');
  return Math.round(held / count);
}

/** The acker's part of that memory. */
function ackerBytesPerEntry(): number {
  const acker = new Acker(1000, () => {});
  for (let task = 0; task < 1024; task++) acker.begin(task, 0);
  return acker.sizeBytes / acker.pending;
}

function build(builder: TopologyBuilder, maxSpoutPending: number): Topology {
  return builder.build({
    clock: systemClock,
    random: seededRandom(1),
    onError: ({ error }) => {
      throw error;
    },
    maxSpoutPending,
    messageTimeoutMs: 3_600_000,
  });
}

/** Wall-clock time, and CPU time including garbage collection, which is hardly affected by other load. */
interface Time {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const never: Time = { seconds: Infinity, cpuSeconds: Infinity };

function lesser(a: Time, b: Time): Time {
  return { seconds: Math.min(a.seconds, b.seconds), cpuSeconds: Math.min(a.cpuSeconds, b.cpuSeconds) };
}

/** Times a call, which must report that it processed everything. */
function timeOf(count: number, call: () => number): Time {
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const processed = call();
  const { user, system } = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - startedAt) / 1000;
  if (processed !== count) throw new Error(`${processed} of ${count} processed`);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
