import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countryOf } from '../dimensions/country.js';

test('a country is two letters', () => {
  for (const [text, country] of [
    ['DE', 'DE'],
    ['us', 'us'],
    ['', undefined],
    ['DEU', undefined],
    ['4d', undefined],
    ['ßa', undefined],
  ])
    assert.equal(countryOf(text ?? ''), country, text);
});
