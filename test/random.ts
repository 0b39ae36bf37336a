import { below, type Random } from '../topology/random.js';

/** A small linear congruential generator (Numerical Recipes' constants): numbers uniform in [0, 1), the same for a seed. */
export function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** True with these odds, 0 to 1 in steps of a thousandth. */
export function chance(random: Random, odds: number): boolean {
  return below(random, 1_000) < 1_000 * odds;
}

/** Any of the items. Throws RangeError when there are none. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const picked = items[below(random, items.length)];
  if (picked === undefined) throw new RangeError('nothing to pick from');
  return picked;
}

/** The items in another order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, at: random.int32() }));
  return order.toSorted((x, y) => x.at - y.at).map(({ item }) => item);
}
