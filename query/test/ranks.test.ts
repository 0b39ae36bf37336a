import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Pace } from '../engine/pace.js';
import { pagesOf } from '../engine/listing.js';
import { Ranks, type Ranked } from '../engine/ranks.js';
import { FakeBatchView } from './fakes.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const listing = pagesOf('example.org');
const pace = new Pace(Infinity);

function viewOf(number: number): FakeBatchView {
  return new FakeBatchView([{ visitor: 'v', url: 'https://example.org/', hour: 480_000 }], { number });
}

test('ranks are made once for each of the views that answer', async () => {
  const ranks = new Ranks();
  const [old, fresh] = [viewOf(1), viewOf(2)];
  const made = [await ranks.of(old, listing, pace), await ranks.of(fresh, listing, pace)];
  assert.equal(await ranks.of(old, listing, pace), made[0]);
  assert.equal(await ranks.of(fresh, listing, pace), made[1]);
});

test('the lists asked for last are kept, and no more than so many entries of all', async () => {
  const ranks = new Ranks(1_000);
  const view = viewOf(1);
  const domains = Array.from({ length: 130 }, (_, i) => pagesOf(`s${i}.example`));
  const [first, second] = [await ranks.of(view, listing, pace), await ranks.of(view, pagesOf('b'), pace)];
  for (const each of domains) {
    await ranks.of(view, each, pace);
    assert.equal(await ranks.of(view, listing, pace), first, 'asked for again and again');
  }
  assert.notEqual(await ranks.of(view, pagesOf('b'), pace), second, 'long not asked for');
  const large = Array.from({ length: 1_000 }, () => ({ name: 'x', pageviews: 1 }));
  await ranks.of(view, { ...listing, key: 'large', ofBatch: () => large }, pace);
  assert.notEqual(await ranks.of(view, listing, pace), first);
});

test('the ranks of a view go with it', async () => {
  const ranks = new Ranks();
  const ofOld = await (async () => new WeakRef(await ranks.of(viewOf(1), listing, pace)))();
  const open = viewOf(2);
  const ofOpen: WeakRef<Ranked> = new WeakRef(await ranks.of(open, listing, pace));
  await turn(); // what a WeakRef was made of lives until the turn ends
  collectGarbage();
  assert.equal(ofOld.deref(), undefined);
  assert.equal(await ranks.of(open, listing, pace), ofOpen.deref());
});

test('a list that takes too long is read on by the next question', async () => {
  const ranks = new Ranks();
  const view = viewOf(1);
  const entries = Array.from({ length: 3_000 }, (_, i) => ({ name: `s${i}`, pageviews: i }));
  let read = 0;
  const long = {
    ...listing,
    *ofBatch() {
      for (const entry of entries) {
        read++;
        yield entry;
      }
    },
  };
  const isShort = Object.assign(Object.create(pace) as Pace, {});
  Object.defineProperty(isShort, 'used', { value: 0.9 });
  for (const expected of [1_000, 2_000, 3_000]) {
    const { ranked, isWhole } = await ranks.of(view, long, isShort);
    assert.deepEqual([read, ranked.length, isWhole], [expected, 0, false]);
  }
  const { ranked, isWhole } = await ranks.of(view, long, pace);
  assert.deepEqual([ranked.length, ranked[0]?.name, isWhole, read], [3_000, 's2999', true, 3_000]);
});
