/**
 * The faults harness: the whole system is hurt in every way of `layers`, under clients that keep a history, and the
 * history must come out clean. Prints the rounds of each layer and fails where there were fewer than its minimum.
 *
 *   ROUNDS=n       n times the rounds; half of them by default, and of no layer none
 *   LAYER=words    only layers whose names have these words
 *   SEED=s ROUND=r one round again, with the same random choices (what the machine makes of them differs)
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { messageOf } from '../../lib/errors/errors.js';
import { below, seededRandom } from '../../topology/random.js';
import { brokerLayers } from './broker.js';
import { clockLayers } from './clock.js';
import { damageLayers } from './damage.js';
import { failingCallLayers } from './failing-calls.js';
import { importLayers } from './imports.js';
import { killLayers } from './kills.js';
import type { Layer } from './layer.js';
import type { Random } from './load.js';
import { powerLayers } from './power.js';

const layers: readonly Layer[] = [
  ...killLayers,
  ...importLayers,
  ...damageLayers,
  ...failingCallLayers,
  ...powerLayers,
  ...clockLayers,
  ...brokerLayers,
];

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const times = Number(process.env['ROUNDS'] ?? 0.5);
const wanted = process.env['LAYER'] ?? '';
const only = process.env['ROUND'];

/** Layer, rounds in which the fault hit, least number. */
const results: [string, number, number][] = [];

/** Of a layer with less than one round there is nothing in the short form. */
const isTried = ({ name, rounds }: Layer): boolean =>
  name.includes(wanted) && (only !== undefined || rounds * Math.max(1, times) >= 1);

for (const layer of layers.filter(isTried)) {
  test(layer.name, { skip: layer.skip }, async (t) => {
    const run = await layer.open(t, seed);
    const count = Math.min(Math.max(1, Math.floor(layer.rounds * times)), run.maxRounds ?? Infinity);
    // A short form begins anywhere, so that in time it is each role's turn.
    const numberOf = (i: number): number => (count < layer.rounds ? (seed + i) % layer.rounds : i);
    const rounds = only === undefined ? Array.from({ length: count }, (_, i) => numberOf(i)) : [Number(only)];
    let hit = 0;
    for (const round of rounds) {
      try {
        if (await run.round(randomOf(layer.name, round), round)) hit++;
      } catch (error) {
        const again = `SEED=${seed} LAYER='${layer.name}' ROUND=${round} npm test -- test/faults/faults`;
        throw new Error(
          `${messageOf(error)}\nin round ${round} of '${layer.name}'; to run it again: ${again}`,
          {
            cause: error,
          },
        );
      }
    }
    const minimum = only === undefined ? Math.floor((layer.minimum / layer.rounds) * count) : 1;
    results.push([layer.name, hit, minimum]);
    assert.ok(
      hit >= minimum,
      `the fault hit in ${hit} rounds of ${rounds.length}; at least ${minimum} are needed`,
    );
  });
}

after(() => {
  const lines = results.map(
    ([name, hit, minimum]) =>
      `${String(hit).padStart(6)} of at least ${String(minimum).padStart(3)}  ${name}`,
  );
  const total = results.reduce((sum, [, hit]) => sum + hit, 0);
  process.stdout.write(
    `rounds in which the fault hit (seed ${seed}):\n${lines.join('\n')}\n${String(total).padStart(6)} in all\n`,
  );
});

/** Of its own for each round, so that one can be run without those before it. */
function randomOf(name: string, round: number): Random {
  const state = createHash('sha256').update(`${seed} ${name} ${round}`).digest().readUInt32LE(0);
  const random = seededRandom(state);
  return (bound) => below(random, bound);
}
