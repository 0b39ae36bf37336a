/** How long the event loop is held up, for tests. */

/** Longest the event loop may be kept from turning, in CPU time, so that a busy machine does not count. */
export const stallLimitMs = 100;

/** The longest CPU time between two turns of the event loop. */
export function watchStalls(): { end: () => number } {
  let longestMs = 0;
  let last = process.cpuUsage();
  const timer = setInterval(() => {
    const now = process.cpuUsage();
    longestMs = Math.max(longestMs, (now.user - last.user + now.system - last.system) / 1_000);
    last = now;
  }, 1);
  timer.unref();
  return {
    end() {
      clearInterval(timer);
      return longestMs;
    },
  };
}
