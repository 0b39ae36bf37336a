/** What makes a fact a repeat of another: its text, and its key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Fact, Pageview } from '../fact.js';
import { repeatKeys, repeatParts, repeatText } from '../repeat.js';
import { hashWords, KeyedHash } from '../../lib/memory/keyed-hash.js';

const view: Pageview = {
  type: 'pageview',
  visitor: 'cookie:1',
  url: 'http://a.example/?utm=1',
  timestamp: 1,
  eventId: 'e',
  receivedAt: 2,
};
const page = 'http://a.example/';
const edge: Fact = { type: 'equiv', a: 'b', b: 'a', timestamp: 1, eventId: 'e', receivedAt: 2 };

test('a pageview is identified by eventId, visitor and page, an edge by eventId, type and pair, and by nothing else', () => {
  const later = { timestamp: 7, receivedAt: 8 };
  assert.equal(
    repeatText({ ...view, ...later, url: 'http://A.example', userAgent: 'x' }, page),
    repeatText(view, page),
  );
  assert.equal(repeatText({ ...edge, ...later, a: 'a', b: 'b', source: 's' }, ''), repeatText(edge, ''));
  const different = [
    repeatText(view, page),
    repeatText({ ...view, eventId: 'f' }, page),
    repeatText({ ...view, visitor: 'cookie:2' }, page),
    repeatText({ ...view, visitor: 'e', eventId: 'cookie:1' }, page),
    repeatText(view, 'http://b.example/'),
    repeatText(edge, ''),
    repeatText({ ...edge, eventId: 'f' }, ''),
    repeatText({ ...edge, type: 'retract' }, ''),
    repeatText({ ...edge, a: 'c' }, ''),
  ];
  assert.equal(new Set(different).size, different.length);
});

test('keys are equal exactly if eventId, visitor and page are, wherever in a row their hashes are', () => {
  const hash = new KeyedHash();
  const part = fc.constantFrom('a', 'b', 'c');
  const rows = fc.array(fc.tuple(part, part, part), { maxLength: 30 });
  fc.assert(
    fc.property(rows, fc.nat(2), fc.nat(2), (parts, before, after) => {
      const step = hashWords * (before + repeatParts.length + after);
      const hashes = new Int32Array(step * parts.length).fill(-1);
      parts.forEach((texts, row) =>
        texts.forEach((text, i) => {
          hash.text(text);
          hashes.set(hash.words, step * row + hashWords * (before + i));
        }),
      );
      if (before > 0) hashes.forEach((_, i) => i % step === 0 && (hashes[i] = i)); // not a part of the key
      const keys = repeatKeys(hash, hashes, hashWords * before, step);
      const seen = new Map<string, string>();
      parts.forEach((texts, row) => {
        const key = keys.subarray(hashWords * row, hashWords * (row + 1)).join(' ');
        assert.equal(seen.get(texts.join(' ')) ?? key, key);
        seen.set(texts.join(' '), key);
      });
      assert.equal(new Set(seen.values()).size, seen.size);
    }),
    { numRuns: Number(process.env['RUNS'] ?? 300) },
  );
});
