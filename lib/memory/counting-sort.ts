/**
 * Counting sort (Knuth, The Art of Computer Programming 3, 5.2, algorithm D): sorts numbers by small group numbers
 * without comparisons. Its three steps can be used separately: count the members of each group, compute prefix sums,
 * place each member.
 */

/**
 * Returns where each group starts when groups are stored one after the other; the last entry is the end of the last
 * group.
 */
export function groupStarts(groups: ArrayLike<number>, groupCount: number): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(groupCount + 1);
  for (let i = 0; i < groups.length; i++) starts[groups[i] + 1]++;
  prefixSums(starts);
  return starts;
}

/**
 * Replaces each count by the sum of all counts up to it (prefix sums): counts stored one index higher become starts.
 */
export function prefixSums(counts: Uint32Array): void {
  for (let i = 1; i < counts.length; i++) counts[i] += counts[i - 1];
}

/** Returns the numbers 0, 1, ... sorted by group, and within a group in the given order (ascending by default). */
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

/** Returns the inverse of a permutation. */
export function inverse(order: Uint32Array): Uint32Array<ArrayBuffer> {
  const places = new Uint32Array(order.length);
  for (let place = 0; place < order.length; place++) places[order[place]] = place;
  return places;
}
