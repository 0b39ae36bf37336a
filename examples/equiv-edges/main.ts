/**
 * `node dist/examples/equiv-edges/main.js`: compares three ways to treat equiv edges in a speed layer. See
 * docs/from-the-book.md.
 */
import { compareWays, ways } from './three-ways.js';

const outcomes = compareWays(1);
for (const way of ways) {
  const { meanError, bytes } = outcomes[way];
  const error = `${(100 * meanError).toFixed(1)} %`.padStart(7);
  process.stdout.write(
    `${way.padEnd(12)} error ${error}   ${(bytes / 1_000_000).toFixed(1).padStart(5)} MB\n`,
  );
}
