// `npm run fuzz -- [inputs] [seed]`: hostile bytes against the parser, a million unless told otherwise. Fails on the
// first input that is neither refused with its place nor read for exactly what it says.
import { argv } from 'node:process';
import { Random, assertRefusedOrRight, hostileInput, validInputs } from '../test/hostile-inputs.js';

const inputs = Number(argv[2] ?? 1_000_000);
const seed = Number(argv[3] ?? 1);
const random = new Random(seed);
const valid = validInputs().filter(({ length }) => length < 1200);
const verdicts = { refused: 0, read: 0 };
let slowestMs = 0;
for (let i = 0; i < inputs; i++) {
  const bytes = hostileInput(random, valid);
  const start = performance.now();
  try {
    verdicts[assertRefusedOrRight(bytes)]++;
  } catch (error) {
    throw new Error(`input ${i} of seed ${seed}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
  }
  slowestMs = Math.max(slowestMs, performance.now() - start);
}
const { refused, read } = verdicts;
process.stdout.write(
  `${inputs} inputs, seed ${seed}: ${refused} refused, ${read} read and right, slowest ${slowestMs.toFixed(1)} ms\n`,
);
