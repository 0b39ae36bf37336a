/** Recently used objects are returned again; others are dropped, so memory is bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedHash } from '../memory/keyed-hash.js';
import { RecentObjects } from '../memory/recent-objects.js';

const hash = new KeyedHash();

function wordsOf(text: string): Int32Array {
  hash.text(text);
  return hash.words;
}

test('an object that is looked up regularly stays; others are dropped in time', () => {
  let turns = 0;
  const recent = new RecentObjects<{ readonly name: string }>(100, () => turns++);
  const often = recent.set(wordsOf('often'), 0, { name: 'often' });
  for (let i = 0; i < 10_000; i++) {
    recent.set(wordsOf(`once ${i}`), 0, { name: `once ${i}` });
    assert.equal(recent.get(wordsOf('often'), 0), often);
  }
  assert.ok(turns >= 90, `${turns} turns`);
  let remembered = 0;
  for (let i = 0; i < 10_000; i++) if (recent.get(wordsOf(`once ${i}`), 0) !== undefined) remembered++;
  assert.ok(remembered >= 99 && remembered <= 200, `${remembered} of 10,000 are remembered`);
  assert.equal(recent.get(wordsOf('once 9999'), 0)?.name, 'once 9999');
});

function textsRemembered(characters: number): number {
  const recent = new RecentObjects<string>(100, undefined, (text) => 1 + Math.floor(text.length / 10));
  for (let i = 0; i < 1_000; i++) recent.set(wordsOf(`${i}`), 0, 'x'.repeat(characters));
  return Array.from({ length: 1_000 }, (_, i) => recent.get(wordsOf(`${i}`), 0)).filter(Boolean).length;
}

test('large objects are fewer, so that memory is bounded whatever is remembered', () => {
  const [small, large] = [textsRemembered(1), textsRemembered(90)];
  assert.ok(small >= 99 && small <= 200, `${small} small ones`);
  assert.ok(large >= 9 && large <= 20, `${large} large ones`);
});
