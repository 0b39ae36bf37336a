// How far estimates are off: many independent streams of distinct integers, the estimate taken at many counts on the
// way. One pass serves every lgK, since a sketch reduced to a smaller lgK is, bit for bit, the sketch made with it.
import { CouponHasher, HllUnion, relativeStandardError } from '../src/index.js';

export interface Accuracy {
  readonly lgK: number;
  readonly count: number;
  /** Root mean square of the relative errors. */
  readonly rms: number;
  /** Mean of the relative errors. */
  readonly bias: number;
  readonly largest: number;
  /** The standard error that large counts have in theory. */
  readonly theory: number;
}

export interface Study {
  readonly lgKs: readonly number[];
  /** Ascending. */
  readonly counts: readonly number[];
  /** How many streams; stream s counts the integers s * 2^32, s * 2^32 + 1, ... */
  readonly streams: number;
}

export function studyAccuracy({ lgKs, counts, streams }: Study): readonly Accuracy[] {
  const union = new HllUnion({ lgK: Math.max(...lgKs) });
  const errors = new Map<string, number[]>();
  for (let stream = 1; stream <= streams; stream++) {
    const feed = new Feed(stream, union.reset());
    for (const count of counts) {
      feed.upTo(count);
      const sketch = union.toSketch();
      for (const lgK of lgKs) {
        const error = count === 0 ? sketch.estimate() : sketch.copy(lgK).estimate() / count - 1;
        const key = `${lgK} ${count}`;
        errors.set(key, [...(errors.get(key) ?? []), error]);
      }
    }
  }
  return lgKs.flatMap((lgK) =>
    counts.map((count) => summary(lgK, count, errors.get(`${lgK} ${count}`) ?? [])),
  );
}

// Brings one stream into a union, a batch at a time.
class Feed {
  readonly #union: HllUnion;
  readonly #values = new BigInt64Array(2048);
  readonly #halves = new Int32Array(this.#values.buffer);
  readonly #coupons = new Uint32Array(2048);
  readonly #hasher = new CouponHasher();
  #fed = 0;

  constructor(stream: number, union: HllUnion) {
    this.#union = union;
    for (let i = 0; i < 2048; i++) this.#halves[2 * i + 1] = stream;
  }

  upTo(count: number): void {
    while (this.#fed < count) {
      const size = Math.min(2048, count - this.#fed);
      for (let i = 0; i < size; i++) this.#halves[2 * i] = this.#fed + i;
      this.#hasher.coupons(size === 2048 ? this.#values : this.#values.subarray(0, size), this.#coupons);
      this.#union.addCoupons(this.#coupons, 0, size);
      this.#fed += size;
    }
  }
}

function summary(lgK: number, count: number, errors: readonly number[]): Accuracy {
  let sum = 0;
  let squares = 0;
  let largest = 0;
  for (const error of errors) {
    sum += error;
    squares += error * error;
    largest = Math.max(largest, Math.abs(error));
  }
  const rms = Math.sqrt(squares / errors.length);
  return { lgK, count, rms, bias: sum / errors.length, largest, theory: relativeStandardError(lgK) };
}
