// The error of estimates, on streams that are the same in every run. `npm run accuracy` studies larger counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { studyAccuracy } from '../bench/accuracy-study.js';
import type { Accuracy } from '../bench/accuracy-study.js';
import { maxCoupons } from '../src/index.js';

const lgKs = [10, 12, 14];

function assertAsGoodAsTheory({ lgK, count, rms, bias, largest, theory }: Accuracy): void {
  const where = `lgK ${lgK}, ${count} values: rms ${rms}, bias ${bias}, theory ${theory}`;
  if (count <= maxCoupons(lgK)) {
    // Exact, but that once in a while two values share a coupon.
    assert.ok(largest * count < 1.5 && rms * count < 0.2, `exact: ${where}`);
  } else {
    assert.ok(rms <= 1.05 * theory, where);
    assert.ok(Math.abs(bias) <= theory / 5, where);
    assert.ok(largest <= 6 * theory, where);
  }
}

test('up to 100,000 values the error is that of theory, without bias; exact while coupons are held', () => {
  const counts = [0, 1, 10, 96, 384, 600, 1000, 1536, 2000, 3000, 5000, 10_000, 20_000, 50_000, 100_000];
  for (const accuracy of studyAccuracy({ lgKs, counts, streams: 1000 })) assertAsGoodAsTheory(accuracy);
});

test('up to 3 million values no estimate is far off', () => {
  const counts = [100_000, 300_000, 1_000_000, 3_000_000];
  for (const { lgK, count, largest, theory } of studyAccuracy({ lgKs, counts, streams: 30 })) {
    assert.ok(largest <= 4.5 * theory, `lgK ${lgK}, ${count} values: ${largest / theory} standard errors`);
  }
});
