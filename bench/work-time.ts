/** Measures work by wall clock and by this process's CPU time. */
export interface WorkTime {
  readonly seconds: number;
  /** CPU time of all threads of this process; hardly affected by other load of the machine. */
  readonly processorSeconds: number;
}

export async function measureWork(work: () => Promise<unknown>): Promise<WorkTime> {
  const before = process.cpuUsage();
  const started = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - started) / 1_000, processorSeconds: (user + system) / 1e6 };
}

/** The minimum of several rounds, separately for each measure. */
export function minimum(rounds: readonly WorkTime[]): WorkTime {
  return {
    seconds: Math.min(...rounds.map((round) => round.seconds)),
    processorSeconds: Math.min(...rounds.map((round) => round.processorSeconds)),
  };
}

/** The median of several rounds, separately for each measure. */
export function median(rounds: readonly WorkTime[]): WorkTime {
  const middle = (of: (round: WorkTime) => number): number =>
    rounds.map(of).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  return {
    seconds: middle((round) => round.seconds),
    processorSeconds: middle((round) => round.processorSeconds),
  };
}
