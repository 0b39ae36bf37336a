/** Decides which rows of pageviews are excluded (facts/exclusions.ts), by the numbers of their texts. */
import type { PageviewColumns } from './verdict.js';

/** By number of a text: 0 if it is never excluded, otherwise 1 + its index into `starts`. Undefined if no exclusion is of this kind. */
export interface ExcludedNumbers {
  readonly visitors: Uint32Array | undefined;
  readonly agents: Uint32Array | undefined;
  readonly imports: Uint32Array | undefined;
  /** By page number. */
  readonly pages: Uint32Array | undefined;
  /** Half-open time ranges, two numbers each, concatenated; those of index n are the ranges from `starts[n]` to `starts[n + 1]`. */
  readonly times: Float64Array;
  readonly starts: Uint32Array;
  /** Pageviews with an earlier timestamp are excluded. */
  readonly keptFrom: number;
}

/** @param page 1 + the page number */
export function isExcluded(
  excluded: ExcludedNumbers,
  columns: PageviewColumns,
  row: number,
  page: number,
  time: number,
): boolean {
  const { visitors, agents, imports, pages, keptFrom } = excluded;
  if (time < keptFrom) return true;
  const importId = columns.import === undefined ? 0 : columns.import[row];
  return (
    (visitors !== undefined && covers(excluded, visitors[columns.visitor[row]], time)) ||
    (agents !== undefined && covers(excluded, agents[columns.agent[row]], time)) ||
    (imports !== undefined && covers(excluded, imports[importId], time)) ||
    (pages !== undefined && covers(excluded, pages[page - 1], time))
  );
}

function covers({ times, starts }: ExcludedNumbers, place: number, time: number): boolean {
  if (place === 0) return false;
  for (let range = starts[place - 1]; range < starts[place]; range++)
    if (time >= times[2 * range] && time < times[2 * range + 1]) return true;
  return false;
}
