/** Suggestions: the intended name, or nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../errors/nearest.js';
import { keys } from '../config/keys.js';

const known = Object.values(keys).map(({ env }) => env as string);

for (const [given, meant] of [
  ['SWA_PORT', 'SWA_HTTP_PORT'],
  ['SWA_DATADIR', 'SWA_DATA_DIR'],
  ['SWA_BATCH_SCEDULE', 'SWA_BATCH_SCHEDULE'],
  ['SWA_COLOUR', undefined],
  ['SWA_X', undefined],
  ['SWA_', undefined],
] as const) {
  test(`${given} is ${meant ?? 'near nothing'}`, () => assert.equal(nearest(given, known, 'SWA_'), meant));
}

test('a parameter one letter off is near, another word is not', () => {
  const parameters = ['url', 'domain', 'from', 'to', 'interval'];
  assert.equal(nearest('intervall', parameters), 'interval');
  assert.equal(nearest('form', parameters), undefined);
  assert.equal(nearest('host', parameters), undefined);
  assert.equal(nearest('x', []), undefined);
});
