/** Sorts within groups, most of which are tiny: insertion sort for those, the engine's sort for the others. */
const insertionSortLimit = 24;

/** Sorts `values[from, to)` ascending. */
export function sortNumbers(values: Uint32Array | Float64Array, from: number, to: number): void {
  if (to - from > insertionSortLimit) {
    values.subarray(from, to).sort();
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const value = values[i];
    let at = i - 1;
    while (at >= from && values[at] > value) {
      values[at + 1] = values[at];
      at--;
    }
    values[at + 1] = value;
  }
}
