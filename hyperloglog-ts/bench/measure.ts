// What the bench measures with: rates by the processor time of this process, which other processes cannot stretch, as
// the best of several runs, and memory as what is left after full garbage collections.

/** Operations per second of processor time: `act` does `operations` of them. Runs it for about the time given. */
export function rate(operations: number, act: () => void, forMs = 1000): number {
  const start = performance.now();
  let best = Infinity;
  for (let runs = 0; runs < 3 || performance.now() - start < forMs; runs++) {
    const before = process.cpuUsage();
    act();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, Math.max(1, user + system));
    if (performance.now() - start > 10 * forMs) break;
  }
  return (operations / best) * 1e6;
}

/** The bytes that each of `count` things takes in memory, or undefined without --expose-gc. */
export function bytesEach(count: number, make: (i: number) => unknown): number | undefined {
  if (globalThis.gc === undefined) return undefined;
  const kept: unknown[] = Array.from({ length: count }, () => undefined);
  for (let i = 0; i < Math.min(count, 10); i++) make(i);
  const before = usedBytes();
  for (let i = 0; i < count; i++) kept[i] = make(i);
  const after = usedBytes();
  return kept.length > 0 ? Math.max(0, (after - before) / kept.length) : undefined;
}

function usedBytes(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
