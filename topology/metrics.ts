/** Counters of one component, summed over its tasks, since the topology was built. */
export class ComponentMetrics {
  /** Calls of emit, whatever the number of receivers. */
  emitted = 0;
  /** Bolts: tuples given to `execute`. */
  executed = 0;
  /** Bolts: tuples acked. Spouts: trees complete. */
  acked = 0;
  /** Bolts: tuples failed, by themselves or by throwing. Spouts: trees failed, time-outs included. */
  failed = 0;
  /** Spouts: trees that failed by time-out. */
  timedOut = 0;
  /** Errors thrown by the component. */
  errors = 0;
  /** Time spent in the component's calls, measured per batch by the injected clock. */
  busyMs = 0;
  /** Spouts: ages of complete trees, summed, and the greatest. */
  latencySumMs = 0;
  latencyMaxMs = 0;
}

/** A copy of the counters, with what follows from them. */
export interface MetricsSnapshot extends Readonly<ComponentMetrics> {
  /** Spouts: mean time from emit to the complete tree. Bolts: mean time of one `execute`. 0 before the first. */
  readonly latencyMs: number;
  readonly tasks: number;
  /** Tuples waiting in front of the component's tasks. */
  readonly queued: number;
}

export function snapshotOf(metrics: ComponentMetrics, tasks: number, queued: number): MetricsSnapshot {
  const { executed, acked, busyMs, latencySumMs } = metrics;
  let latencyMs = 0;
  if (executed > 0) latencyMs = busyMs / executed;
  else if (acked > 0) latencyMs = latencySumMs / acked;
  return Object.assign({ latencyMs, tasks, queued }, metrics);
}
