/**
 * Counting sort (Knuth, The Art of Computer Programming 3, 5.2, algorithm D): numbers in order of small group numbers, without
 * comparisons. Three steps, each of use by itself: count the members of each group, sum up, give each member its place.
 */

/** Where the members of each group start when groups lie one after the other; the last entry is where the last group ends. */
export function groupStarts(groups: ArrayLike<number>, groupCount: number): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(groupCount + 1);
  for (let i = 0; i < groups.length; i++) starts[groups[i] + 1]++;
  sumUp(starts);
  return starts;
}

/** Replaces each count by the sum of all up to and including it: counts of groups, kept one place further on, become starts. */
export function sumUp(counts: Uint32Array): void {
  for (let i = 1; i < counts.length; i++) counts[i] += counts[i - 1];
}

/** The numbers 0, 1, ... by group, and within a group in the order given: ascending, unless `order` has another one. */
export function byGroup(
  groups: ArrayLike<number>,
  starts: Uint32Array,
  order?: ArrayLike<number>,
): Uint32Array<ArrayBuffer> {
  const next = starts.slice();
  const sorted = new Uint32Array(groups.length);
  for (let i = 0; i < groups.length; i++) {
    const number = order === undefined ? i : order[i];
    sorted[next[groups[number]]++] = number;
  }
  return sorted;
}

/** From the thing at each place to the place of each thing. */
export function inverse(order: Uint32Array): Uint32Array<ArrayBuffer> {
  const places = new Uint32Array(order.length);
  for (let place = 0; place < order.length; place++) places[order[place]] = place;
  return places;
}
