/** Ways to damage a file, for the tables of kinds (damage-of-facts.ts, damage-of-views.ts). */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A copy to be damaged, and a source of random numbers in [0, 1). */
export interface DamageTarget {
  readonly dataDir: string;
  readonly random: () => number;
}

export interface DamageKind {
  readonly what: string;
  readonly damage: (place: DamageTarget) => void | Promise<void>;
  /** Matches the finding; 'harmless' if answers and the audit do not change. */
  readonly found: RegExp | 'harmless';
  /** True if there is no finding as long as the log still has the missing facts. */
  readonly mayBeHarmless?: true;
  /** True if only a recomputation of the view detects it. */
  readonly recount?: true;
}

export const garbage = 'garbage \u0000 not what was here';

export function path(...parts: string[]): (place: DamageTarget) => string {
  return ({ dataDir }) => join(dataDir, ...parts);
}

export type Where = (place: DamageTarget) => string;

/** Flips one bit of a file within [from, end). */
export function flip(where: Where, from = 0): DamageKind['damage'] {
  return (place) => {
    const file = where(place);
    const bytes = readFileSync(file);
    const at = from + Math.floor(place.random() * (bytes.length - from));
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(place.random() * 8));
    writeFileSync(file, bytes);
  };
}

export function cut(
  where: Where,
  keep: (sizeBytes: number, place: DamageTarget) => number,
): DamageKind['damage'] {
  return (place) => truncateSync(where(place), keep(statSync(where(place)).size, place));
}

export const half = (sizeBytes: number): number => sizeBytes >>> 1;
export const gone =
  (where: Where): DamageKind['damage'] =>
  (place) =>
    rmSync(where(place), { recursive: true });
export const holds =
  (where: Where, text: string): DamageKind['damage'] =>
  (place) =>
    writeFileSync(where(place), text);

export function named(dir: Where, pattern: RegExp, pick: 'first' | 'middle' | 'last' | 'before-last'): Where {
  return (place) => {
    const names = readdirSync(dir(place))
      .filter((name) => pattern.test(name))
      .toSorted();
    assert.ok(names.length >= 3, `${dir(place)} holds ${names.join()}`);
    const at = {
      first: 0,
      middle: names.length >>> 1,
      last: names.length - 1,
      'before-last': names.length - 2,
    };
    return join(dir(place), names[at[pick]] ?? '');
  };
}

/** Flips one bit of the first bytes. */
export function flipWithin(where: Where, length: number): DamageKind['damage'] {
  return (place) => {
    const file = where(place);
    const bytes = readFileSync(file);
    const at = Math.floor(place.random() * length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(place.random() * 8));
    writeFileSync(file, bytes);
  };
}
