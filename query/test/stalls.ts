/** How long the event loop is held up, for tests. */

/** Longest the event loop may be kept from turning, milliseconds. */
export const stallLimitMs = 100;

/**
 * The longest time between two turns of the event loop: the lesser of wall time, which other processes lengthen, and this
 * process's CPU time, which its other threads (garbage collection, compilation) lengthen.
 */
export function watchStalls(): { end: () => number } {
  let longestMs = 0;
  let last = process.cpuUsage();
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const now = process.cpuUsage();
    const nowMs = performance.now();
    const cpuMs = (now.user - last.user + now.system - last.system) / 1_000;
    longestMs = Math.max(longestMs, Math.min(cpuMs, nowMs - lastMs));
    last = now;
    lastMs = nowMs;
  }, 1);
  timer.unref();
  return {
    end() {
      clearInterval(timer);
      return longestMs;
    },
  };
}
