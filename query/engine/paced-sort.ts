/** Stable merge sort of long lists that yields to the event loop: sorts short runs, then merges them. */
import type { Pace } from './pace.js';

const runLength = 1_024;
const stepsBetweenLooks = 1_024;

/** Returns a new list. Throws `deadline-exceeded`. */
export async function sortPaced<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  pace: Pace,
): Promise<readonly T[]> {
  let sorted: T[] = [];
  for (let from = 0; from < items.length; from += runLength) {
    for (const item of items.slice(from, from + runLength).toSorted(compare)) sorted.push(item);
    if (pace.due) await pace.rest();
  }
  for (let width = runLength; width < sorted.length; width *= 2)
    sorted = await mergeRuns(sorted, width, compare, pace);
  return sorted;
}

/** Merges pairs of runs of length `width`. */
async function mergeRuns<T>(
  items: readonly T[],
  width: number,
  compare: (a: T, b: T) => number,
  pace: Pace,
): Promise<T[]> {
  const merged: T[] = [];
  for (let from = 0; from < items.length; from += 2 * width) {
    const middle = Math.min(from + width, items.length);
    const end = Math.min(middle + width, items.length);
    for (let left = from, right = middle; left < middle || right < end;) {
      const takeLeft = right >= end || (left < middle && compare(items[left] as T, items[right] as T) <= 0);
      merged.push(items[takeLeft ? left++ : right++] as T); // both are below their ends
      if (merged.length % stepsBetweenLooks === 0 && pace.due) await pace.rest();
    }
  }
  return merged;
}
