// What the bench measures with: rates as the best of several runs, which is the least disturbed one, and memory as what
// is left after a full garbage collection.

/** Operations per second: `act` does `operations` of them. The best of some runs within about the time given. */
export function rate(operations: number, act: () => void, forMs = 1000): number {
  const start = performance.now();
  let best = Infinity;
  let runs = 0;
  while (runs < 3 || (performance.now() - start < forMs && runs < 1000)) {
    const before = performance.now();
    act();
    best = Math.min(best, performance.now() - before);
    runs++;
    if (performance.now() - start > 10 * forMs) break;
  }
  return (operations / best) * 1000;
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
