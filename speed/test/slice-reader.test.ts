/** Reading slices gives the same result as decoding their records, whatever they are and wherever they are in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pageview } from '../../facts/fact.js';
import { decodeRecord } from '../../facts/record.js';
import { KeyedHash } from '../../lib/memory/keyed-hash.js';
import { offset, type RecordBatch } from '../../log/log.js';
import { hashAt, rowWords } from '../bolts/pageview-columns.js';
import { sliceRecords, SliceReader } from '../bolts/slice-reader.js';
import { equiv, pageview } from './facts.js';

const hash = new KeyedHash();

function wordsOf(text: string): number[] {
  hash.text(text);
  return [...hash.words];
}

/** A batch of these records with gaps between the offsets; `together` marks records adjacent to the one before. */
function batchOf(records: readonly { readonly bytes: Buffer; readonly together: boolean }[]): RecordBatch {
  const all = Buffer.concat(records.map(({ bytes }) => bytes));
  let at = 0;
  const values = records.map(({ bytes, together }) => {
    at += bytes.length;
    return together ? all.subarray(at - bytes.length, at) : Buffer.from(bytes);
  });
  const offsets = records.map((_, i) => offset(10 + 3 * i));
  const nextOffset = offset(10 + 3 * records.length);
  return { topic: 'pageviews', partition: 0, name: 'pageviews/0', offsets, values, nextOffset };
}

function requireDecoded(reader: SliceReader, batch: RecordBatch, from: number, to: number): void {
  const { pageviews, invalid, lastReceivedAt } = reader.read({ batch, from, to });
  const decoded = batch.values.slice(from, to).map((value, i) => ({
    offset: batch.offsets[from + i],
    fact: decodeRecord(value, 'pageviews'),
  }));
  const expected = decoded.flatMap(({ offset: at, fact }) =>
    fact.type === 'pageview' ? [{ offset: at, fact }] : [],
  );
  assert.equal(pageviews.length, expected.length);
  assert.deepEqual(
    pageviews.offsets,
    expected.map(({ offset: at }) => at),
  );
  assert.equal(pageviews.hashes.length, rowWords * expected.length);
  expected.forEach(({ fact }, row) => {
    assert.equal(pageviews.timestamps[row], fact.timestamp);
    for (const field of ['visitor', 'url', 'eventId', 'userAgent'] as const) {
      const words = pageviews.hashes.subarray(rowWords * row + hashAt[field]).subarray(0, 4);
      assert.deepEqual([...words], wordsOf(fact[field] ?? ''), field);
      if (field !== 'eventId') assert.equal(pageviews.text(row, field), fact[field] ?? '');
    }
  });
  const refused = decoded.flatMap(({ fact }) => (fact.type === 'invalid' ? [fact.reason] : []));
  assert.deepEqual(
    [...invalid].flatMap(([reason, times]) => Array<string>(times).fill(reason)).toSorted(),
    refused.toSorted(),
  );
  assert.equal(lastReceivedAt, Math.max(-1, ...expected.map(({ fact }) => fact.receivedAt)));
}

const text = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('é', 'a"b', 'x'.repeat(300), '\ud800'));
const fields = fc.record(
  { visitor: text, url: text, eventId: text, receivedAt: fc.nat(), userAgent: text, referrer: text },
  { requiredKeys: ['visitor', 'url', 'eventId', 'receivedAt'] },
);
const bytes = fc.oneof(
  { weight: 6, arbitrary: fields.map((each) => Buffer.from(JSON.stringify(pageview('v', 'u', each)))) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('', 'no JSON', JSON.stringify(equiv('a', 'b')))
      .map((each) => Buffer.from(each)),
  },
);

test('reading a slice equals decoding its records, whatever they are and wherever they are in memory', () => {
  const reader = new SliceReader(hash);
  fc.assert(
    fc.property(
      fc.array(fc.record({ bytes, together: fc.boolean() }), { maxLength: 30 }),
      fc.nat(30),
      fc.nat(30),
      (records, from, length) => {
        const begin = Math.min(from, records.length);
        requireDecoded(reader, batchOf(records), begin, Math.min(begin + length, records.length));
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 300) },
  );
});

function longPageview(referrerLength: number): Pageview {
  return pageview('v', 'http://example.com/', { referrer: 'r'.repeat(referrerLength) });
}

test('records may be many and long: those too long to be worth it are decoded, and the rest has room', () => {
  const reader = new SliceReader(hash);
  for (const length of [0, 2_000, 16_000, 17_000, 200_000, 0]) {
    const count = length > 20_000 ? 20 : sliceRecords;
    const records = Array.from({ length: count }, (_, i) => ({
      bytes: Buffer.from(JSON.stringify(longPageview(i % 3 === 0 ? 0 : length))),
      together: i % 5 !== 0,
    }));
    requireDecoded(reader, batchOf(records), 0, count);
  }
});
