// `npm run accuracy -- [streams] [largest count]`: the error of estimates beside the theory, as a table. The full study,
// 1,000 streams of 10 million values, takes some minutes.
import { argv } from 'node:process';
import { studyAccuracy } from './accuracy-study.js';

const streams = Number(argv[2] ?? 200);
const largest = Number(argv[3] ?? 10_000_000);
const steps = [0, 1, 10, 96, 384, 1000, 1536, 3000, 5000, 10_000, 20_000, 30_000, 50_000, 100_000, 300_000];
const counts = [...steps, 1_000_000, 3_000_000, 10_000_000].filter((count) => count <= largest);

const percent = (share: number) => `${(100 * share).toFixed(3)} %`;
process.stdout.write(`${streams} streams\n`);
for (const { lgK, count, rms, bias, theory } of studyAccuracy({ lgKs: [10, 12, 14], counts, streams })) {
  const figures = [
    `rms ${percent(rms)}`,
    `${(rms / theory).toFixed(3)} of theory`,
    `bias ${percent(bias)}`,
    `${(Math.abs(bias) / theory).toFixed(3)} of theory`,
  ];
  process.stdout.write(`lgK ${lgK}  n ${String(count).padStart(8)}  ${figures.join('  ')}\n`);
}
