/** What the exclusions of a generation take out of what comes after its cut, besides pageviews. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExclusionRule } from '../../facts/fact.js';
import { testErasures } from '../../facts/test/erasures.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { CountingRules } from '../bolts/counting-rules.js';
import { rules } from './facts.js';

test('an edge that names an erased id, at either end, does not join after the cut; others do', () => {
  const edges = [
    { a: 'cookie:1', b: 'user:1' },
    { a: 'cookie:2', b: 'cookie:1' },
    { a: 'cookie:2', b: 'user:1' },
  ];
  const joining = (...excluded: readonly ExclusionRule[]): unknown =>
    new CountingRules({ ...rules, erasures: testErasures }, new KeyedHash(), {
      exclusions: () => excluded,
    }).joining(edges);
  assert.deepEqual(joining({ by: 'erased', value: testErasures.valueOf('cookie:1') }), edges.slice(2));
  assert.deepEqual(joining({ by: 'erased', value: testErasures.valueOf('cookie:3') }), edges);
  assert.deepEqual(
    joining({ by: 'visitor', value: 'cookie:1' }),
    edges,
    'an exclusion in words parts nobody',
  );
  assert.deepEqual(joining(), edges);
});
