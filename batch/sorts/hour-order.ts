/** The hours of a run: numbered as they appeared, ranked as they are. */
export interface HourOrder {
  readonly count: number;
  /** Rank by hour number. */
  readonly rankOf: Uint32Array;
  /** Hour by rank, ascending. */
  readonly hourAt: Float64Array;
}

/** @param hours hour by hour number */
export function orderHours(hours: readonly number[]): HourOrder {
  const hourAt = Float64Array.from(hours).toSorted();
  const ranks = new Map(Array.from(hourAt, (hour, rank) => [hour, rank]));
  return { count: hours.length, hourAt, rankOf: Uint32Array.from(hours, (hour) => ranks.get(hour) ?? 0) };
}
