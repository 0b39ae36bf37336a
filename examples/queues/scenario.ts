/**
 * The workload for every kind of queue: items arrive one per tick with occasional bursts, and two applications process
 * all of them. Sometimes the work on an item fails, or the worker dies. Time is counted in ticks and events are drawn
 * from a seed, so a run is the same on every machine.
 */

export const itemCount = 300;
/** How many items a worker can do in one tick. */
export const perTick = 2;
/** How many ticks a worker that died is down. */
export const restartTicks = 10;
export const applications = ['count', 'archive'] as const;

/** The numbers of the items that arrive in a tick: a burst of 25 every 50 ticks. */
export function* arrivals(): Generator<readonly number[]> {
  let next = 0;
  for (let tick = 0; next < itemCount; tick++) {
    const count = Math.min(tick % 50 === 49 ? 25 : 1, itemCount - next);
    yield Array.from({ length: count }, (_, i) => next + i);
    next += count;
  }
}

/** The outcome of one attempt. `dies after`: the worker dies after the effect but before it can ack. */
export type Fate = 'done' | 'fails' | 'dies before' | 'dies after';

/** One application: counts how often each item took effect. */
export class Application {
  readonly name: string;
  readonly effects = new Map<number, number>();
  readonly #random: () => number;

  constructor(name: string, seed: number) {
    this.name = name;
    this.#random = randomFrom(seed);
  }

  work(item: number): Fate {
    const draw = this.#random();
    const fate = draw < 0.03 ? 'fails' : draw < 0.04 ? 'dies before' : draw < 0.05 ? 'dies after' : 'done';
    if (fate === 'done' || fate === 'dies after') this.effects.set(item, (this.effects.get(item) ?? 0) + 1);
    return fate;
  }
}

export interface Tally {
  readonly application: string;
  readonly once: number;
  readonly lost: number;
  readonly repeated: number;
}

export function tallyOf({ name, effects }: Application): Tally {
  const counts = [...effects.values()];
  const once = counts.filter((count) => count === 1).length;
  return { application: name, once, lost: itemCount - counts.length, repeated: counts.length - once };
}

/** Returns a generator of numbers in [0, 1): linear congruential, good enough for this. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
