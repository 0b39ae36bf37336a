/** Effects of a generation's exclusions on facts after its cut, other than on pageviews. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExclusionRule } from '../../facts/fact.js';
import { testErasures } from '../../facts/test/erasures.js';
import { offset } from '../../log/log.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { CountingRules } from '../bolts/counting-rules.js';
import { PageCache } from '../bolts/page-cache.js';
import { SliceReader } from '../bolts/slice-reader.js';
import { pageview, recordsOf, rules, time0 } from './facts.js';

test('an edge with an erased id at either end does not join after the cut; others do', () => {
  const edges = [
    { a: 'cookie:1', b: 'user:1' },
    { a: 'cookie:2', b: 'cookie:1' },
    { a: 'cookie:2', b: 'user:1' },
  ];
  const joining = (...excluded: readonly ExclusionRule[]): unknown =>
    new CountingRules({ ...rules, erasures: testErasures }, new KeyedHash(), {
      meta: {},
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

test('a pageview older than its generation keeps does not count, however late it arrives', () => {
  const hash = new KeyedHash();
  const facts = [-1, 0, 1].map((ms) =>
    pageview('cookie:1', 'https://example.com/', { timestamp: time0 + ms }),
  );
  const values = recordsOf(facts).map(({ value }) => value);
  const name = 'pageviews/0' as const;
  const location = { topic: 'pageviews' as const, partition: 0, name };
  const batch = { ...location, offsets: values.map((_, i) => offset(i)), values, nextOffset: offset(3) };
  const { pageviews } = new SliceReader(hash).read({ batch, from: 0, to: 3 });
  const countable = (keptFrom?: number): readonly number[] => {
    const counting = new CountingRules(rules, hash, { meta: { keptFrom }, exclusions: () => [] });
    return [...counting.countable(pageviews, new PageCache(rules, 10, hash)).rows];
  };
  assert.deepEqual(countable(time0), [1, 2]);
  assert.deepEqual(countable(), [0, 1, 2]);
});
