import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DedupWindow } from '../dedup-window.js';
import { hashWords, KeyedHash } from '../../lib/memory/keyed-hash.js';

const numRuns = Number(process.env['RUNS'] ?? 500);

/** Differences between offsets: mostly 1, with small and large gaps. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.integer({ min: 2, max: 9 }) },
  { weight: 1, arbitrary: fc.integer({ min: 10, max: 200 }) },
);
const records = fc.array(fc.tuple(step, fc.integer({ min: 0, max: 30 })), { maxLength: 300 });

/** The keys of 31 events, concatenated. */
const hash = new KeyedHash();
const keys = new Int32Array(
  Array.from({ length: 31 }, (_, id) => {
    hash.text(`event-${id}`);
    return [...hash.words];
  }).flat(),
);

/** The definition: the latest record with the same key is at most `size` offsets before. */
function plainly(size: number, offsets: readonly number[], ids: readonly number[]): boolean[] {
  const newest = new Map<number, number>();
  return ids.map((id, i) => {
    const at = offsets[i] ?? 0;
    const before = newest.get(id);
    newest.set(id, at);
    return size > 0 && before !== undefined && at - before <= size;
  });
}

function offsetsOf(start: number, steps: readonly number[]): number[] {
  let at = start;
  return steps.map((each) => (at += each));
}

test('a record is a repeat exactly when its key came at most `size` offsets before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.nat(1_000_000), records, (size, start, rows) => {
      const offsets = offsetsOf(
        start,
        rows.map(([each]) => each),
      );
      const ids = rows.map(([, id]) => id);
      const window = new DedupWindow(size);
      const said = ids.map((id, i) => window.isRepeat(keys, hashWords * id, offsets[i] ?? 0));
      assert.deepEqual(said, plainly(size, offsets, ids));
    }),
    { numRuns },
  );
});

test('a window fed only with the last `size` offsets before a position decides the same from there on', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), records, fc.nat(300), (size, rows, cut) => {
      const offsets = offsetsOf(
        -1,
        rows.map(([each]) => each),
      );
      const from = offsets[cut] ?? 0;
      const whole = new DedupWindow(size);
      const late = new DedupWindow(size);
      rows.forEach(([, id], i) => {
        const at = offsets[i] ?? 0;
        const expected = whole.isRepeat(keys, hashWords * id, at);
        if (at < from - size) return;
        const said = late.isRepeat(keys, hashWords * id, at);
        if (at >= from) assert.equal(said, expected, `offset ${at}`);
      });
    }),
    { numRuns },
  );
});
