/**
 * Whether memory and descriptors level off, by the samples of a soak.
 *
 * Both follow the hand-overs of the speed layer: while two realtime generations are open, there are a quarter more descriptors and a second set of
 * caches. How long that takes depends on how busy the machine is, so a line fitted through all samples rises without a leak. Instead, whole cycles
 * (from one hand-over to the next) are compared, the later half of them with the earlier half, and samples with one open generation apart from
 * samples with two. A leak raises both.
 */
import type { Sample } from './soak-samples.js';

export interface Judgement {
  /** Duration of the cycles compared. */
  readonly judgedSeconds: number;
  readonly cycles: number;
  /** False if there are too few cycles to compare, because the machine was too busy or the run too short. */
  readonly isProven: boolean;
  readonly anonymous: Rises;
  readonly mapped: Rises;
  readonly descriptors: Rises;
  /** Kinds of descriptors whose mean number rose by a half or more: `log 10 -> 12 (serving)`. */
  readonly risenDescriptors: readonly string[];
  /** Rooms of the data directory whose mean size rose by more than 5 %, in KiB. */
  readonly risenRooms: readonly string[];
}

/**
 * Rise over all cycles as a part of the value before, by the line through the means of both halves; undefined if there are too few samples of the
 * state.
 */
export type Rises = Readonly<Record<State, number | undefined>>;

/** `serving`: one realtime generation is open; `handing over`: two. */
const states = ['serving', 'handing over'] as const;
type State = (typeof states)[number];
type Value = (sample: Sample) => number;

export const maxRise = 0.05;
/** The first hand-overs are from generations that held less. */
const handOversBeforeJudged = 3;
const minCycles = 4;
const minPartJudged = 0.25;
/** Of one state, in each half. */
const minSamples = 10;

/** @param seconds duration of the soak */
export function judge(samples: readonly Sample[], seconds: number): Judgement {
  const { judged, cycles, halves } = wholeCycles(samples.slice(samples.length >> 1));
  const judgedSeconds = (judged.at(-1)?.second ?? 0) - (judged[0]?.second ?? 0);
  const rises = (value: Value): Rises => ({
    serving: riseOf(halves.serving, value, judgedSeconds),
    'handing over': riseOf(halves['handing over'], value, judgedSeconds),
  });
  const namesOf = (parts: (sample: Sample) => Readonly<Record<string, number>>): string[] =>
    [...new Set(judged.flatMap((sample) => Object.keys(parts(sample))))].toSorted();
  const isCompared = states.some((state) => areEnough(halves[state]));
  return {
    judgedSeconds,
    cycles,
    isProven: cycles >= minCycles && judgedSeconds >= minPartJudged * seconds && isCompared,
    anonymous: rises(({ anonymousBytes }) => anonymousBytes),
    mapped: rises(({ mappedBytes }) => mappedBytes),
    descriptors: rises(({ descriptors }) => sumOf(descriptors)),
    risenDescriptors: namesOf(({ descriptors }) => descriptors).flatMap((name) =>
      risen(
        halves,
        name,
        ({ descriptors }) => descriptors[name] ?? 0,
        (from, to) => to - from >= 0.5,
      ),
    ),
    risenRooms: namesOf(({ diskBytes }) => diskBytes).flatMap((name) =>
      risen(
        halves,
        name,
        ({ diskBytes }) => (diskBytes[name] ?? 0) / 1_024,
        (from, to) => to > from * (1 + maxRise),
      ),
    ),
  };
}

/** True if no state rose by more than `maxRise`. */
export function isLevel(rises: Rises): boolean {
  return states.every((state) => (rises[state] ?? 0) <= maxRise);
}

export function sumOf(numbers: Readonly<Record<string, number>>): number {
  return Object.values(numbers).reduce((sum, number) => sum + number, 0);
}

type Halves = Readonly<Record<State, readonly [earlier: readonly Sample[], later: readonly Sample[]]>>;

/** The samples from the first hand-over that counts to the last one. */
function wholeCycles(samples: readonly Sample[]): {
  readonly judged: readonly Sample[];
  readonly cycles: number;
  readonly halves: Halves;
} {
  const first = Math.max(handOversBeforeJudged, 1 + (samples[0]?.handOvers ?? 0));
  const end = samples.at(-1)?.handOvers ?? 0;
  const judged = samples.filter(({ handOvers }) => handOvers >= first && handOvers < end);
  const cycles = Math.max(0, end - first);
  const middle = first + cycles / 2;
  const halvesOf = (isHandingOver: boolean): readonly [readonly Sample[], readonly Sample[]] => {
    const ofState = judged.filter((sample) => sample.isHandingOver === isHandingOver);
    return [
      ofState.filter(({ handOvers }) => handOvers < middle),
      ofState.filter(({ handOvers }) => handOvers >= middle),
    ];
  };
  return { judged, cycles, halves: { serving: halvesOf(false), 'handing over': halvesOf(true) } };
}

function areEnough([earlier, later]: Halves[State]): boolean {
  return earlier.length >= minSamples && later.length >= minSamples;
}

function riseOf(halves: Halves[State], value: Value, judgedSeconds: number): number | undefined {
  if (!areEnough(halves)) return undefined;
  const [earlier, later] = halves;
  const part = meanOf(later, value) / meanOf(earlier, value) - 1;
  const apart = meanOf(later, secondOf) - meanOf(earlier, secondOf);
  return (part * judgedSeconds) / apart;
}

function secondOf({ second }: Sample): number {
  return second;
}

function risen(
  halves: Halves,
  name: string,
  value: Value,
  isRisen: (from: number, to: number) => boolean,
): string[] {
  return states.flatMap((state) => {
    if (!areEnough(halves[state])) return [];
    const [from, to] = [meanOf(halves[state][0], value), meanOf(halves[state][1], value)];
    return isRisen(from, to) ? [`${name} ${from.toFixed(1)} -> ${to.toFixed(1)} (${state})`] : [];
  });
}

function meanOf(samples: readonly Sample[], value: Value): number {
  return samples.reduce((sum, sample) => sum + value(sample), 0) / samples.length;
}
