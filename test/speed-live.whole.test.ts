/**
 * Live: queries go on while batch views are published one after another, facts keep arriving, and some views are rolled
 * back. Every answer must equal the oracle at the cut it names, and no answer's cut may lie behind an earlier one's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fact } from '../facts/fact.js';
import { equiv, pageview } from '../speed/test/facts.js';
import { Harness } from '../speed/test/harness.js';
import { eventually } from './eventually.js';

const publications = 20;
const queriesBetween = 200;

test(`${publications} batch views are published under ${queriesBetween} queries each: all answers equal the oracle`, async (t) => {
  const harness = new Harness(t, 3);
  await harness.append(...traffic(0));
  harness.start();
  const watch = harness.watch();
  let rolledBack = 0;
  for (let round = 1; round <= publications; round++) {
    await harness.append(...traffic(round));
    const cut = harness.log.end();
    await harness.append(...traffic(round));
    const view = harness.publish(round, cut);
    const asked = watch.queries();
    await eventually(`view ${round} to serve`, () => harness.pointer()?.serving === view);
    if (round % 7 === 0) {
      const older = harness.published(round - 2);
      harness.rollBack(older);
      await eventually('the roll back', () => harness.pointer()?.serving === older);
      rolledBack++;
    }
    await eventually(`${queriesBetween} queries`, () => watch.queries() >= asked + queriesBetween);
  }
  const { queries } = await watch.stop();
  assert.ok(queries >= publications * queriesBetween);
  assert.equal(rolledBack, 2);
  assert.deepEqual(harness.errors, []);
});

function traffic(round: number): Fact[] {
  const views = Array.from({ length: 40 }, (_, i) => {
    const late = i % 10 === 0 ? { timestamp: 1_700_000_000_000 } : {};
    return pageview(`cookie:${(i * 7 + round) % 30}`, `http://example.com/${i % 4}`, late);
  });
  return [...views, equiv(`cookie:${round % 30}`, `cookie:${(round + 1) % 30}`), ...views.slice(0, 5)];
}
