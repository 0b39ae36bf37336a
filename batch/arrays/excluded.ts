/** Which rows of pageviews are excluded, by the numbers of their texts (facts/exclusions.ts says what is). */
import type { PageviewColumns } from './verdict.js';

/** By number of a text: 0 where it is never excluded, else 1 + its place among the times. Undefined where no exclusion is of the kind. */
export interface ExcludedNumbers {
  readonly visitors: Uint32Array | undefined;
  readonly agents: Uint32Array | undefined;
  readonly imports: Uint32Array | undefined;
  /** By number of the page. */
  readonly pages: Uint32Array | undefined;
  /** Half-open ranges of time one after the other, two numbers each; those of place n begin at `starts[n]`, in ranges. */
  readonly times: Float64Array;
  readonly starts: Uint32Array;
  /** Pageviews of an earlier time are excluded. */
  readonly keptFrom: number;
}

/** @param page 1 + its number */
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
