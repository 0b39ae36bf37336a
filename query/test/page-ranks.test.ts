import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Pace } from '../engine/pace.js';
import { PageRanks, type RankedPages } from '../engine/page-ranks.js';
import { FakeBatchView } from './fakes.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const domain = 'example.org';
const pace = new Pace(Infinity);

function viewOf(number: number): FakeBatchView {
  return new FakeBatchView([{ visitor: 'v', url: 'https://example.org/', hour: 480_000 }], { number });
}

test('ranks are made once for each of the views that answer', async () => {
  const ranks = new PageRanks();
  const [old, fresh] = [viewOf(1), viewOf(2)];
  const made = [await ranks.of(old, domain, pace), await ranks.of(fresh, domain, pace)];
  assert.equal(await ranks.of(old, domain, pace), made[0]);
  assert.equal(await ranks.of(fresh, domain, pace), made[1]);
});

test('the ranks of a view go with it', async () => {
  const ranks = new PageRanks();
  const ofOld = await (async () => new WeakRef(await ranks.of(viewOf(1), domain, pace)))();
  const open = viewOf(2);
  const ofOpen: WeakRef<RankedPages> = new WeakRef(await ranks.of(open, domain, pace));
  await turn(); // what a WeakRef was made of lives until the turn ends
  collectGarbage();
  assert.equal(ofOld.deref(), undefined);
  assert.equal(await ranks.of(open, domain, pace), ofOpen.deref());
});
