/** Applies the exclusions to the star's texts: which texts, by number, are left out, and at what times. */
import { parseExclusionKey } from '../../facts/exclusion-key.js';
import {
  comparedTexts,
  withoutErasedValues,
  type ComparedText,
  type Exclusions,
  type Times,
} from '../../facts/exclusions.js';
import type { ExclusionRule } from '../../facts/fact.js';
import type { Rules } from '../../facts/rules.js';
import { textsOf } from '../../lib/memory/text-spans.js';
import { integers } from '../../master-data/columns.js';
import type { Star } from '../../master-data/star/star.js';
import type { ExcludedNumbers } from '../arrays/excluded.js';
import type { BatchDb } from '../database.js';

export interface LiveExclusions {
  /** The exclusions in force. */
  readonly rules: readonly ExclusionRule[];
  /** Number of facts that exclude or take an exclusion back. */
  readonly facts: number;
}

export async function liveExclusions(
  db: BatchDb,
  star: Star,
  { erasures }: Pick<Rules, 'erasures'>,
): Promise<LiveExclusions> {
  const live = new Set<number>();
  let facts = 0;
  for await (const chunk of db.stream('live-exclusions')) {
    const [numbers, lives, counts] = [integers(chunk, 0), integers(chunk, 1), integers(chunk, 2)];
    for (let row = 0; row < chunk.rowCount; row++) {
      facts += counts[row] ?? 0;
      if (lives[row] === 1) live.add(numbers[row] ?? 0);
    }
  }
  const rules = live.size === 0 ? [] : withoutErasedValues(rulesOf(star, live), erasures);
  return { rules, facts };
}

function rulesOf(star: Star, numbers: ReadonlySet<number>): ExclusionRule[] {
  const rules: ExclusionRule[] = [];
  let number = 1;
  for (const texts of star.texts('exclusions'))
    for (const text of textsOf(texts)) if (numbers.has(number++)) rules.push(parseExclusionKey(text));
  return rules;
}

/** A text that is left out at some times. */
export interface ExcludedText {
  readonly by: ComparedText;
  /** Number in its dictionary; for pages from 0. */
  readonly number: number;
  readonly times: Times;
}

/** The dictionary of each kind of text; pages are not in a dictionary. */
const dictionaryOf = { visitor: 'visitors', userAgent: 'agents', importId: 'imports' } as const;

/** All texts of the star that exclusions leave out. */
export function* excludedTexts(star: Star, exclusions: Exclusions): Generator<ExcludedText> {
  for (const by of comparedTexts) {
    if (!exclusions.has(by)) continue;
    if (by === 'urlPrefix') {
      for (let number = 0; number < star.pages.count; number++) {
        const times = exclusions.timesOf(by, star.pages.text(number));
        if (times !== undefined) yield { by, number, times };
      }
      continue;
    }
    let first = 1;
    for (const texts of star.texts(dictionaryOf[by])) {
      for (const [i, times] of exclusions.timesAmong(by, texts)) yield { by, number: first + i, times };
      first += texts.count;
    }
  }
}

/** The visitor numbers of erased ids, ascending. */
export function erasedVisitors(star: Star, { erased }: Pick<Exclusions, 'erased'>): number[] {
  const numbers: number[] = [];
  if (erased.isEmpty) return numbers;
  let first = 1;
  for (const texts of star.texts('visitors')) {
    for (const i of erased.among(texts)) numbers.push(first + i);
    first += texts.count;
  }
  return numbers;
}

/** Tables for the threads; undefined if nothing is left out. */
export function excludedNumbers(star: Star, exclusions: Exclusions): ExcludedNumbers | undefined {
  const found = [...excludedTexts(star, exclusions)];
  if (found.length === 0 && exclusions.keptFrom === -Infinity) return undefined;
  const times: number[] = [];
  const starts = [0];
  const places = new Map<string, number>();
  const placeOf = (ranges: Times): number => {
    const name = ranges.join();
    const known = places.get(name);
    if (known !== undefined) return known;
    times.push(...ranges.flat());
    starts.push(times.length / 2);
    places.set(name, starts.length - 1);
    return starts.length - 1;
  };
  const numbersOf = (by: ComparedText, count: number): Uint32Array | undefined => {
    const ofKind = found.filter((each) => each.by === by);
    if (ofKind.length === 0) return undefined;
    const numbers = new Uint32Array(new SharedArrayBuffer(4 * (1 + count)));
    for (const { number, times: ranges } of ofKind) numbers[number] = placeOf(ranges);
    return numbers;
  };
  return {
    visitors: numbersOf('visitor', star.textCount('visitors')),
    agents: numbersOf('userAgent', star.textCount('agents')),
    imports: numbersOf('importId', star.textCount('imports')),
    pages: numbersOf('urlPrefix', star.pages.count),
    times: Float64Array.from(times),
    starts: Uint32Array.from(starts),
    keptFrom: exclusions.keptFrom,
  };
}
