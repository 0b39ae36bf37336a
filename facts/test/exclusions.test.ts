import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exclusionKey, parseExclusionKey } from '../exclusion-key.js';
import { ErasureHash } from '../erasures.js';
import { spansOf } from '../../lib/memory/text-spans.js';
import { comparedTexts, Exclusions, withoutErasedValues, type ExclusionTexts } from '../exclusions.js';
import { exclusionKinds, type ExclusionRule } from '../fact.js';
import { testErasures } from './erasures.js';
import { UrlRules } from '../url/normalize.js';

const rulesUsed = { url: new UrlRules(), erasures: testErasures };
const noon = Date.UTC(2026, 0, 1, 12);
const view: ExclusionTexts = {
  visitor: 'cookie:1',
  page: 'https://example.com/a/b',
  userAgent: 'Monitor/1.0',
  importId: 'monday',
  timestamp: noon,
};

function excludes(rule: ExclusionRule, change: Partial<ExclusionTexts> = {}): boolean {
  return new Exclusions([rule], rulesUsed).excludes({ ...view, ...change });
}

const paths = ['/', '/a', '/a/b', '/a?id=1', '/ab', '/b/a'];

/** The paths that a URL prefix excludes. */
function pagesWithin(value: string): string[] {
  return paths.filter((path) => excludes({ by: 'urlPrefix', value }, { page: `https://example.com${path}` }));
}

test('visitors, imports and user agents are excluded by their whole text alone', () => {
  assert.ok(excludes({ by: 'visitor', value: 'cookie:1' }));
  assert.ok(excludes({ by: 'importId', value: 'monday' }));
  assert.ok(excludes({ by: 'userAgent', value: 'Monitor/1.0' }));
  for (const value of ['cookie:', 'cookie:11', 'Cookie:1'])
    assert.ok(!excludes({ by: 'visitor', value }), value);
  for (const value of ['Monitor', 'Monitor/1', 'monitor/1.0'])
    assert.ok(!excludes({ by: 'userAgent', value }), value);
  assert.ok(!excludes({ by: 'visitor', value: 'monday' }), 'a text of another field');
});

test('a URL prefix is spelled as pages are, and a slash at its end limits it to a folder', () => {
  assert.deepEqual(pagesWithin('https://example.com/a'), ['/a', '/a/b', '/a?id=1', '/ab']);
  assert.deepEqual(pagesWithin('HTTPS://u:p@Example.COM:443/./%61'), ['/a', '/a/b', '/a?id=1', '/ab']);
  assert.deepEqual(pagesWithin('https://example.com/a/'), ['/a', '/a/b', '/a?id=1']);
  assert.deepEqual(pagesWithin('https://example.com').length, 6);
  assert.deepEqual(pagesWithin('https://example.com/').length, 6);
  for (const value of ['https://example.co', 'http://example.com', 'https://www.example.com/', 'no URL'])
    assert.deepEqual(pagesWithin(value), [], value);
});

test('a rule with times excludes from its first millisecond on up to its last', () => {
  const rule: ExclusionRule = { by: 'visitor', value: 'cookie:1', from: noon, to: noon + 1000 };
  assert.deepEqual(
    [-1, 0, 999, 1000].map((ms) => excludes(rule, { timestamp: noon + ms })),
    [false, true, true, false],
  );
  const { to: _, ...open } = rule;
  assert.ok(excludes(open, { timestamp: noon + 1e12 }) && !excludes(open, { timestamp: noon - 1 }));
});

test('several rules exclude what any of them does', () => {
  const before: ExclusionRule = { by: 'visitor', value: 'cookie:1', to: noon };
  const after: ExclusionRule = { by: 'visitor', value: 'cookie:1', from: noon + 10 };
  const both = new Exclusions([before, after, { by: 'importId', value: 'friday' }], rulesUsed);
  const at = (ms: number): boolean => both.excludes({ ...view, timestamp: noon + ms });
  assert.deepEqual([at(-1), at(0), at(9), at(10)], [true, false, false, true]);
  assert.ok(both.excludes({ ...view, timestamp: noon, importId: 'friday' }));
  assert.deepEqual(
    comparedTexts.map((by) => both.has(by)),
    [true, true, false, false],
  );
});

test('a pageview without the text is never excluded by it', () => {
  const { userAgent: _agent, importId: _import, ...bare } = view;
  const rules = (['userAgent', 'importId'] as const).map((by): ExclusionRule => ({ by, value: 'x' }));
  assert.ok(!new Exclusions(rules, rulesUsed).excludes(bare));
});

test('a rule is read from its text as it was, and two rules never have one text', () => {
  const time = fc.option(fc.nat(), { nil: undefined });
  const rules = fc
    .record({
      by: fc.constantFrom(...exclusionKinds),
      value: fc.string({ unit: 'grapheme' }),
      from: time,
      to: time,
    })
    .map(({ from, to, ...rest }): ExclusionRule => ({
      ...rest,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    }));
  fc.assert(fc.property(rules, (rule) => assert.deepEqual(parseExclusionKey(exclusionKey(rule)), rule)));
});

test('an erased id is known by its hash alone: its pageviews, its edges and what excludes it in words say nothing more', () => {
  const rule: ExclusionRule = { by: 'erased', value: testErasures.valueOf('cookie:1') };
  assert.ok(!rule.value.includes(Buffer.from('cookie:1').toString('hex')));
  assert.ok(excludes(rule) && excludes(rule, { timestamp: 0 }));
  assert.ok(!excludes(rule, { visitor: 'cookie:2' }) && !excludes(rule, { visitor: 'cookie:11' }));
  const exclusions = new Exclusions([rule], rulesUsed);
  assert.ok(exclusions.has('visitor'));
  assert.ok(exclusions.excludesEdge({ a: 'user:1', b: 'cookie:1' }));
  assert.ok(!exclusions.excludesEdge({ a: 'user:1', b: 'cookie:2' }));
  const texts = spansOf(['', 'cookie:2', 'cookie:1', 'user:zo\u00eb', 'cookie:1']);
  assert.deepEqual(exclusions.erased.among(texts), [2, 4]);
  const named: ExclusionRule[] = [
    { by: 'visitor', value: 'cookie:1', from: noon },
    { by: 'visitor', value: 'cookie:2' },
    { by: 'importId', value: 'cookie:1' },
  ];
  assert.deepEqual(withoutErasedValues([...named, rule], testErasures), [...named.slice(1), rule]);
});

test('a hash made with another secret matches no id, and is counted', () => {
  const value = new ErasureHash(() => '6'.repeat(64)).valueOf('cookie:1');
  const exclusions = new Exclusions([{ by: 'erased', value }], rulesUsed);
  assert.ok(!exclusions.excludes(view) && exclusions.erased.isEmpty);
  assert.equal(exclusions.erased.foreign, 1);
});
