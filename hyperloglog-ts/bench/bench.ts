// `npm run bench [-- --quick] [--json]`: the rates of this package, and the comparison with others, as Markdown tables.
import { argv } from 'node:process';
import { contenders } from './contenders.js';
import { compare, errorSizes, ownRates, sizes } from './figures.js';
import type { Comparison } from './figures.js';

const forMs = argv.includes('--quick') ? 100 : 1500;
const own = ownRates(forMs);
const comparisons = contenders().map((contender) => compare(contender, forMs));

if (argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify({ own, comparisons })}\n`);
} else {
  const lines = [
    '| operation | per second |',
    '|---|---|',
    ...Object.entries(own).map(([name, perS]) => `| ${name} | ${millions(perS)} |`),
    '',
    `| package | strings/s | merges/s | memory at ${sizes.join(' / ')} | bytes at the same | error at ${errorSizes.join(' / ')} |`,
    '|---|---|---|---|---|---|',
    ...comparisons.map(rowOf),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function rowOf({ name, addsPerS, mergesPerS, memoryBytes, serializedBytes, errors }: Comparison): string {
  const cells = [
    name,
    millions(addsPerS),
    millions(mergesPerS),
    list(memoryBytes, (bytes) => bytes.toFixed(0)),
    list(serializedBytes, String),
    list(errors, (error) => `${(100 * error).toFixed(2)} %`),
  ];
  return `| ${cells.join(' | ')} |`;
}

function list(items: readonly (number | undefined)[], say: (item: number) => string): string {
  return items.map((item) => (item === undefined ? '-' : say(item))).join(' / ');
}

function millions(perS: number): string {
  return perS < 100_000 ? `${(perS / 1000).toPrecision(3)} k` : `${(perS / 1e6).toPrecision(3)} M`;
}
