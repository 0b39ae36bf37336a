/**
 * Compares three ways a speed layer can treat equiv edges (14.4), on one simulated day after a batch run: ignore them,
 * apply the mapping computed by the batch layer, or follow each edge as it arrives with full sets of visitors. Measures
 * the error of each hour's unique visitors and the bytes the layer must keep for them.
 *
 * Each person has one to three devices. Most have logged in on all of them before the batch run, so the batch layer
 * knows the edges; some log in during the day; the rest never do, and their devices cannot be joined.
 */
import { HllSketch } from 'hyperloglog-ts';

export const ways = ['ignore', 'precomputed', 'follow'] as const;
export type Way = (typeof ways)[number];

export interface Outcome {
  /** Mean of |count / truth - 1| over the hours. */
  readonly meanError: number;
  readonly bytes: number;
}

const people = 20_000;
const hours = 24;
const viewsPerHour = 20_000;
/** Share of people who logged in on all their devices before the run, and share who do so during the day. */
const knownShare = 0.9;
const duringDayShare = 0.02;
const lgK = 12;
/** Estimated memory of a visitor id in a set: its text and a hash table entry. */
const bytesPerId = 60;

export function compareWays(seed: number): Readonly<Record<Way, Outcome>> {
  const random = mulberry32(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const devices = Array.from({ length: people }, () => 1 + below(3));
  const known = devices.map(() => random() < knownShare);
  const loginHour = devices.map((_, p) =>
    !(known[p] ?? false) && random() < duringDayShare / (1 - knownShare) ? below(hours) : hours,
  );
  const errors = { ignore: 0, precomputed: 0, follow: 0 };
  const bytes = { ignore: 0, precomputed: 0, follow: 0 };
  const idsByHour: Set<string>[] = [];
  for (let hour = 0; hour < hours; hour++) {
    const ids = new Set<string>();
    for (let view = 0; view < viewsPerHour; view++) {
      const person = Math.floor(below(people) ** 2 / people);
      ids.add(`${person}/${below(devices[person] ?? 1)}`);
    }
    idsByHour.push(ids);
  }
  // The truth as of the end of the day: devices joined by then count as one person, as they will after the next batch
  // run.
  const isJoined = (person: number): boolean =>
    known[person] === true || (loginHour[person] ?? hours) < hours;
  for (const ids of idsByHour) {
    const truth = distinct(ids, isJoined);
    const sketches = {
      ignore: sketchOf(ids, () => false),
      precomputed: sketchOf(ids, (person) => known[person] === true),
    };
    for (const way of ['ignore', 'precomputed'] as const) {
      errors[way] += Math.abs(sketches[way].estimate() / truth - 1) / hours;
      bytes[way] += sketches[way].toBytes().length;
    }
    bytes.follow += ids.size * bytesPerId;
  }
  return {
    ignore: { meanError: errors.ignore, bytes: bytes.ignore },
    precomputed: { meanError: errors.precomputed, bytes: bytes.precomputed },
    follow: { meanError: errors.follow, bytes: bytes.follow },
  };
}

/** Returns the person if their devices are joined, else the device. */
function visitorOf(id: string, isJoined: (person: number) => boolean): string {
  const person = id.slice(0, id.indexOf('/'));
  return isJoined(Number(person)) ? person : id;
}

function distinct(ids: ReadonlySet<string>, isJoined: (person: number) => boolean): number {
  return new Set([...ids].map((id) => visitorOf(id, isJoined))).size;
}

function sketchOf(ids: ReadonlySet<string>, isJoined: (person: number) => boolean): HllSketch {
  const sketch = new HllSketch({ lgK });
  for (const id of ids) sketch.update(visitorOf(id, isJoined));
  return sketch;
}

/** A small seeded generator (mulberry32, Tommy Ettinger): uniform over [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
