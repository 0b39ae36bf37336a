// The HyperLogLog packages of npm behind one small interface, each used as its own documentation says, all with 4,096
// registers. They have no types, or none that this module system finds, so what is used of them is stated here.
//
// hyperloglog's hash is a native addon that no longer compiles; the root package.json puts a pure JavaScript murmur3 of
// the same width in its place, so its figure for adding says more about that than about the rest of it.
import { createRequire } from 'node:module';
import { HllSketch } from '../src/index.js';

export interface Contender<Sketch = unknown> {
  readonly name: string;
  readonly create: () => Sketch;
  readonly add: (sketch: Sketch, value: string) => void;
  /** The union; may or may not be `into` itself. */
  readonly merge: (into: Sketch, from: Sketch) => Sketch;
  readonly count: (sketch: Sketch) => number;
  readonly serializedBytes: (sketch: Sketch) => number;
  /** Values that can be added in reasonable time. */
  readonly patience: number;
}

const require = createRequire(import.meta.url);

export const ours: Contender<HllSketch> = {
  name: 'hyperloglog-ts',
  create: () => new HllSketch({ lgK: 12 }),
  add: (sketch, value) => sketch.update(value),
  merge: (into, from) => into.merge(from),
  count: (sketch) => sketch.estimate(),
  serializedBytes: (sketch) => sketch.toBytes({ type: 'HLL_4' }).length,
  patience: 20_000_000,
};

interface Hyperlolo {
  add(value: string): void;
  merge(other: Hyperlolo): Hyperlolo;
  count(): number;
  serialize(): Uint8Array;
}

function hyperlolo(): Contender<Hyperlolo> {
  const { HyperLogLog } = require('hyperlolo') as {
    HyperLogLog: new (options: { precision: number }) => Hyperlolo;
  };
  return {
    name: 'hyperlolo 0.4.0',
    create: () => new HyperLogLog({ precision: 12 }),
    add: (sketch, value) => sketch.add(value),
    merge: (into, from) => into.merge(from),
    count: (sketch) => sketch.count(),
    serializedBytes: (sketch) => sketch.serialize().length,
    patience: 5_000_000,
  };
}

interface Hyperloglog {
  add(hash: readonly number[]): void;
  merge(other: { n: number; buckets: Uint8Array }): void;
  count(): number;
  output(): { n: number; buckets: Uint8Array };
}

function hyperloglog(): Contender<Hyperloglog> {
  const create = require('hyperloglog') as (lgK: number) => Hyperloglog;
  const { x86 } = require('murmurhash3') as { x86: { hash128(value: string): string } };
  return {
    name: 'hyperloglog 0.1.2',
    create: () => create(12),
    add(sketch, value) {
      const hash = x86.hash128(value);
      const word = (at: number) => Number.parseInt(hash.slice(at, at + 8), 16);
      sketch.add([word(0), word(8), word(16), word(24)]);
    },
    merge(into, from) {
      into.merge(from.output());
      return into;
    },
    count: (sketch) => sketch.count(),
    serializedBytes: (sketch) => sketch.output().buckets.length,
    patience: 500_000,
  };
}

interface BloomFilters {
  update(value: string): void;
  merge(other: BloomFilters): BloomFilters;
  count(): number;
  saveAsJSON(): object;
}

function bloomFilters(): Contender<BloomFilters> {
  const { HyperLogLog } = require('bloom-filters') as {
    HyperLogLog: new (registers: number) => BloomFilters;
  };
  return {
    name: 'bloom-filters 3.0.4',
    create: () => new HyperLogLog(4096),
    add: (sketch, value) => sketch.update(value),
    merge: (into, from) => into.merge(from),
    count: (sketch) => sketch.count(),
    serializedBytes: (sketch) => Buffer.byteLength(JSON.stringify(sketch.saveAsJSON())),
    patience: 5_000,
  };
}

/** The packages that are installed; the others are named on stderr. */
export function contenders(): readonly Contender[] {
  const found: Contender[] = [erased(ours)];
  for (const [name, load] of [
    ['hyperlolo', () => erased(hyperlolo())],
    ['hyperloglog', () => erased(hyperloglog())],
    ['bloom-filters', () => erased(bloomFilters())],
  ] as const) {
    try {
      found.push(load());
    } catch (error) {
      process.stderr.write(
        `${name} is left out: ${error instanceof Error ? error.message : String(error)}\n`,
      );
    }
  }
  return found;
}

// A contender only ever gets sketches that it made, which the type of a list of them cannot say.
function erased<Sketch>(contender: Contender<Sketch>): Contender {
  return contender as Contender;
}
