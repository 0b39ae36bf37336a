/** Counters of one component, summed over its tasks, since the topology was built. */
export class ComponentMetrics {
  /** Calls of emit, regardless of the number of receivers. */
  emitted = 0;
  /** Bolts: tuples passed to `execute`. */
  executed = 0;
  /** Bolts: tuples acked. Spouts: trees completed. */
  acked = 0;
  /** Bolts: tuples failed, explicitly or by throwing. Spouts: trees failed, timeouts included. */
  failed = 0;
  /** Spouts: trees that timed out. */
  timedOut = 0;
  /** Errors thrown or reported by the component. */
  errors = 0;
  /** Time spent in the component's calls in milliseconds, measured once per batch with the injected clock. */
  busyMs = 0;
  /** Spouts: sum and maximum of the ages of completed trees, in milliseconds. */
  latencySumMs = 0;
  latencyMaxMs = 0;
}

/** A copy of the counters with values derived from them. */
export interface MetricsSnapshot extends Readonly<ComponentMetrics> {
  /**
   * Spouts: mean time from emit to completion of the tree. Bolts: mean time of one `execute`. In milliseconds; 0 before
   * the first.
   */
  readonly latencyMs: number;
  readonly tasks: number;
  /** Tuples queued in front of the component's tasks. */
  readonly queued: number;
}

export function snapshotOf(metrics: ComponentMetrics, tasks: number, queued: number): MetricsSnapshot {
  const { executed, acked, busyMs, latencySumMs } = metrics;
  let latencyMs = 0;
  if (executed > 0) latencyMs = busyMs / executed;
  else if (acked > 0) latencyMs = latencySumMs / acked;
  return Object.assign({ latencyMs, tasks, queued }, metrics);
}
