// Bytes that imitate sketches, and a check of what the parser makes of them. The tests try several thousand, `npm run
// fuzz` any number; a failure names the seed and the number of the input.
import assert from 'node:assert/strict';
import { HllFormatError, HllSketch } from '../src/index.js';
import { stateOf } from './arbitraries.js';
import { readNaively } from './naive-reader.js';

/** A repeatable source of random numbers: mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer, 0 <= it < limit. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(items: readonly T[], otherwise: T): T {
    return items[this.below(items.length)] ?? otherwise;
  }
}

/** Valid bytes of every mode, type and form, small enough to damage many times. */
export function validInputs(): readonly Uint8Array[] {
  const inputs: Uint8Array[] = [];
  for (const lgK of [4, 5, 7, 8, 10, 12]) {
    for (const count of [0, 1, 5, 7, 8, 20, 24, 90, 3000, 1_000_000]) {
      const sketch = new HllSketch({ lgK });
      if (count < 100_000) for (let value = 0; value < count; value++) sketch.update(value);
      else sketch.merge(withHighRegisters(lgK));
      for (const type of ['HLL_4', 'HLL_6', 'HLL_8'] as const) {
        for (const form of ['compact', 'updatable'] as const) inputs.push(sketch.toBytes({ type, form }));
      }
    }
  }
  return inputs;
}

// Registers as after about 200,000 values each, with exceptions.
function withHighRegisters(lgK: number): HllSketch {
  const random = new Random(lgK);
  const register = () => 17 - Math.floor(Math.log2((random.below(2 ** 30) + 1) / 2 ** 30));
  return HllSketch.fromRegisters(Uint8Array.from({ length: 2 ** lgK }, register));
}

/** The next hostile input: a valid one truncated, extended, overwritten or with flipped bits, or random bytes. */
export function hostileInput(random: Random, valid: readonly Uint8Array[]): Uint8Array {
  const origin = random.pick(valid, new Uint8Array(0));
  const kind = random.below(8);
  if (kind === 0) return Uint8Array.from({ length: random.below(100) }, () => random.below(256));
  if (kind === 1) return origin.slice(0, random.below(origin.length + 1));
  if (kind === 2)
    return Uint8Array.from([
      ...origin,
      ...Array.from({ length: 1 + random.below(9) }, () => random.below(3)),
    ]);
  const damaged = origin.slice();
  const reach = kind < 6 ? Math.min(damaged.length, 44) : damaged.length;
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(reach);
    const byte = damaged[at] ?? 0;
    damaged[at] = random.below(2) === 0 ? byte ^ (1 << random.below(8)) : random.pick(boundaryBytes, 0);
  }
  return damaged;
}

const boundaryBytes = [0, 1, 2, 3, 4, 7, 8, 10, 12, 15, 21, 22, 31, 32, 63, 64, 127, 128, 255];

/**
 * Fails unless the bytes are rejected with an HllFormatError that points into them, or are read as exactly what they
 * contain: the coupons or registers that a reader without checks finds there, in a state that a sketch can have.
 */
export function assertRefusedOrRight(bytes: Uint8Array): 'refused' | 'read' {
  let sketch: HllSketch;
  try {
    sketch = HllSketch.fromBytes(bytes);
  } catch (error) {
    if (!(error instanceof HllFormatError)) throw error;
    assert.ok(error.offset >= 0 && error.offset <= bytes.length, `offset ${error.offset} of ${bytes.length}`);
    assert.ok(error.field.length > 0 && error.message.includes(`${error.field} at byte ${error.offset}`));
    return 'refused';
  }
  const { lgK, coupons, registers } = readNaively(bytes);
  assert.deepEqual(stateOf(sketch), { lgK, coupons, registers });
  assert.ok(sketch.estimate() >= 0);
  const hip = sketch.hipEstimate();
  assert.ok(hip === undefined || (hip >= 0 && hip < Infinity));
  assert.deepEqual(stateOf(HllSketch.fromBytes(sketch.toBytes())), { lgK, coupons, registers });
  return 'read';
}
