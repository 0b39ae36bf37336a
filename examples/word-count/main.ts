/**
 * Runs the word count; without `--delivery`, all three deliveries in turn. docs/guaranteed-processing.md explains the
 * output.
 *
 *     node dist/examples/word-count/main.js [--delivery at-most-once|at-least-once|exactly-once]
 *       [--failures none|crash|fail|slow] [--sentences 400] [--seed 1]
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../../lib/errors/errors.js';
import { reportOf } from './report.js';
import { deliveries, failures, runWordCount } from './word-count.js';

function main(args: readonly string[]): void {
  const { values } = parseArgs({
    args: [...args],
    options: {
      delivery: { type: 'string' },
      failures: { type: 'string', default: 'none' },
      sentences: { type: 'string', default: '400' },
      seed: { type: 'string', default: '1' },
    },
  });
  const failure = oneOf('failures', failures, values.failures);
  const chosen =
    values.delivery === undefined ? deliveries : [oneOf('delivery', deliveries, values.delivery)];
  const sentences = wholeNumber('sentences', values.sentences);
  const seed = wholeNumber('seed', values.seed);
  for (const delivery of chosen) {
    const options = { delivery, failure, sentences, seed };
    process.stdout.write(reportOf(options, runWordCount(options)));
  }
}

function oneOf<T extends string>(name: string, allowed: readonly T[], value: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new RangeError(`--${name} ${value}: must be one of ${allowed.join(', ')}`);
  return found;
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number > 1_000_000)
    throw new RangeError(`--${name} ${value}: must be 0 to 1000000`);
  return number;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`word-count: ${messageOf(error)}\n`);
  process.exitCode = 2;
}
