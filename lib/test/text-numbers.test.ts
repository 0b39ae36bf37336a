import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TextNumbers } from '../memory/text-numbers.js';

test('texts are numbered in order of appearance', () => {
  const odd = fc.constantFrom('', '\u001f', 'a\u001f', '\ufffd', '\u{1f600}');
  const text = fc.oneof(odd, fc.nat(30).map(String), fc.string({ unit: 'grapheme' }));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), text), { maxLength: 300 }), (calls) => {
      const numbers = new TextNumbers();
      const model = new Map<string, number>();
      for (const [isAdded, each] of calls) {
        assert.equal(numbers.get(each), model.get(each) ?? -1, each);
        if (!isAdded) continue;
        const expected = model.get(each) ?? model.size;
        assert.equal(numbers.add(each), expected, each);
        model.set(each, expected);
        assert.equal(numbers.count, model.size);
      }
      for (const [each, number] of model) assert.equal(numbers.get(each), number, each);
    }),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});

test('a hundred thousand texts keep their numbers', () => {
  const numbers = new TextNumbers();
  for (let i = 0; i < 100_000; i++) assert.equal(numbers.add(`cookie:${i}`), i);
  for (let i = 0; i < 100_000; i++) assert.equal(numbers.get(`cookie:${i}`), i);
  assert.equal(numbers.get('cookie:100000'), -1);
});
