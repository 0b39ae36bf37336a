/** How long work takes, by the clock and by this process's processor time. */
export interface Took {
  readonly seconds: number;
  /** Of all threads of this process, no other's: what is left of a measurement on a busy machine. */
  readonly processorSeconds: number;
}

export async function took(work: () => Promise<unknown>): Promise<Took> {
  const before = process.cpuUsage();
  const started = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - started) / 1_000, processorSeconds: (user + system) / 1e6 };
}

/** The best of several rounds, by each measure. */
export function least(rounds: readonly Took[]): Took {
  return {
    seconds: Math.min(...rounds.map((round) => round.seconds)),
    processorSeconds: Math.min(...rounds.map((round) => round.processorSeconds)),
  };
}

/** The middle one of several rounds, by each measure. */
export function median(rounds: readonly Took[]): Took {
  const middle = (of: (round: Took) => number): number =>
    rounds.map(of).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  return {
    seconds: middle((round) => round.seconds),
    processorSeconds: middle((round) => round.processorSeconds),
  };
}
