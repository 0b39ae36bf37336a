import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeAscending } from '../memory/merge-ascending.js';

test('ascending sequences are merged, each text once', () => {
  const sorted = fc.uniqueArray(fc.string({ maxLength: 2 })).map((texts) => texts.toSorted());
  fc.assert(
    fc.property(fc.array(sorted, { maxLength: 5 }), (sources) => {
      assert.deepEqual([...mergeAscending(sources)], [...new Set(sources.flat())].toSorted());
    }),
  );
});

test('sources are read only as needed, and are closed', () => {
  let read = 0;
  let ended = 0;
  function* endless(): Generator<string> {
    try {
      for (;;) yield String.fromCodePoint(97 + read++);
    } finally {
      ended++;
    }
  }
  for (const text of mergeAscending([endless(), ['b', 'c']])) if (text === 'c') break;
  assert.deepEqual([read, ended], [3, 1]);
});
