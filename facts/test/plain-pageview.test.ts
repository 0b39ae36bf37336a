/** Reading a record without decoding it gives the same result as decoding. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { timeEnd, timeStart, type EquivEdge, type Fact, type Pageview } from '../fact.js';
import { hashedFields, PlainPageview, recordsFrom } from '../plain-pageview.js';
import { decodeRecord, type Decoded } from '../record.js';
import { hashBytes, hashWords, KeyedHash } from '../../lib/memory/keyed-hash.js';
import type { Topic } from '../../log/log.js';
import { idTexts } from './id-texts.js';

const fact: Pageview = {
  type: 'pageview',
  visitor: 'cookie:1',
  url: 'http://a.example/',
  timestamp: 1_767_600_000_000,
  eventId: 'e-1',
  receivedAt: 1_767_600_000_001,
};

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.string({ unit: 'grapheme', minLength: 1 }),
);
const time = fc.oneof(fc.nat(), fc.integer({ min: timeStart, max: timeEnd }), fc.maxSafeNat());
const pageviews = fc.record(
  {
    type: fc.constant('pageview' as const),
    visitor: fc.oneof(text, idTexts),
    url: text,
    timestamp: time,
    eventId: text,
    receivedAt: time,
    userAgent: text,
    referrer: text,
    country: text,
    importId: text,
  },
  { requiredKeys: ['type', 'visitor', 'url', 'timestamp', 'eventId', 'receivedAt'] },
);

const hash = new KeyedHash();
const kernels = hash.kernels(65_536);
const hashesAt = recordsFrom;
const recordAt = hashesAt + hashedFields.length * hashBytes;
const plain = new PlainPageview(kernels);

function isPlain(record: Uint8Array): boolean {
  kernels.bytes.fill(0x22, recordAt); // the bytes after a record do not matter
  kernels.bytes.set(record, recordAt);
  return plain.read(recordAt, recordAt + record.length, hashesAt);
}

/** Compares what was read last with the decoded record. */
function requireSame(record: Buffer): void {
  const decoded = decodeRecord(record, 'pageviews');
  if (decoded.type !== 'pageview') assert.fail(`read, but not decoded: ${record.toString()}`);
  const { timestamp, receivedAt } = plain;
  assert.deepEqual(
    { timestamp, receivedAt },
    { timestamp: decoded.timestamp, receivedAt: decoded.receivedAt },
  );
  const hashes = new Int32Array(kernels.bytes.buffer, hashesAt, hashWords * hashedFields.length);
  hashedFields.forEach((field, i) => {
    const expected = decoded[field] ?? '';
    const { from, to } = plain[field];
    assert.equal(record.toString('utf8', from - recordAt, to - recordAt), expected);
    hash.text(expected);
    assert.deepEqual(hashes.slice(hashWords * i, hashWords * (i + 1)), hash.words, field);
  });
}

function decodedIn(any: Fact, topic: Topic): Decoded {
  return decodeRecord(Buffer.from(JSON.stringify(any)), topic);
}

test('no layer takes a time in microseconds, nor a fact in the topic of others', () => {
  const read = (change: Partial<Pageview>): Decoded => {
    const record = Buffer.from(JSON.stringify({ ...fact, ...change }));
    const result = decodeRecord(record, 'pageviews');
    assert.equal(isPlain(record), result.type === 'pageview');
    return result;
  };
  for (const field of ['timestamp', 'receivedAt'] as const) {
    assert.equal(read({ [field]: timeEnd - 1 }).type, 'pageview');
    for (const beyond of [timeEnd, fact[field] * 1_000, Number.MAX_SAFE_INTEGER])
      assert.deepEqual(read({ [field]: beyond }), {
        type: 'invalid',
        reason: `${field} is not a valid time`,
      });
  }
  const edge: EquivEdge = {
    type: 'equiv',
    a: 'a',
    b: 'b',
    timestamp: timeStart,
    eventId: 'e-2',
    receivedAt: 2,
  };
  assert.deepEqual(decodedIn(fact, 'equivs'), { type: 'invalid', reason: 'pageview in topic equivs' });
  assert.deepEqual(decodedIn(edge, 'pageviews'), { type: 'invalid', reason: 'equiv in topic pageviews' });
  assert.equal(decodedIn(edge, 'equivs').type, 'equiv');
});

test('a pageview as the door writes it is read, with every choice of optional fields', () => {
  const optional = { userAgent: 'Firefox', referrer: '', country: 'DE', importId: 'import:7' };
  for (let choice = 0; choice < 16; choice++) {
    const fields = Object.entries(optional).filter((_field, i) => (choice >> i) % 2 === 1);
    const record = Buffer.from(JSON.stringify({ ...fact, ...Object.fromEntries(fields) }));
    assert.ok(isPlain(record), record.toString());
    requireSame(record);
  }
});

test('no layer takes a placeholder for a visitor, or a time before 1990', () => {
  const refused = (change: Partial<Pageview>, reason: string): void => {
    const record = Buffer.from(JSON.stringify({ ...fact, ...change }));
    assert.deepEqual(decodeRecord(record, 'pageviews'), { type: 'invalid', reason });
    assert.equal(isPlain(record), false);
  };
  for (const visitor of [
    'null',
    'user:NULL',
    '0',
    "'guest'",
    'idfa:00000000-0000-0000-0000-000000000000',
    '${id}',
  ])
    refused({ visitor }, 'visitor is a placeholder');
  for (const visitor of ['', 'a\u0001', '\ud800', 'é'.repeat(129)])
    refused({ visitor }, 'visitor is not a valid id');
  for (const timestamp of [0, 1_764_436_000, timeStart - 1])
    refused({ timestamp }, 'timestamp is before 1990');
  const edge: EquivEdge = {
    type: 'equiv',
    a: 'a',
    b: 'b',
    timestamp: timeStart,
    eventId: 'e',
    receivedAt: 2,
  };
  const reasonOf = (change: Partial<EquivEdge>): unknown =>
    Reflect.get(decodedIn({ ...edge, ...change }, 'equivs'), 'reason');
  assert.equal(reasonOf({ b: 'user:null' }), 'b is a placeholder');
  assert.equal(reasonOf({ type: 'retract', a: '(not set)' }), 'a is a placeholder');
  assert.equal(reasonOf({ a: 'x\u001fy' }), 'a is not a valid id');
  assert.equal(reasonOf({ a: 'b' }), 'a and b are equal');
  assert.equal(reasonOf({ timestamp: timeStart - 1 }), 'timestamp is before 1990');
  // Affects only the record itself, and a record cannot be changed here.
  assert.equal(decodedIn({ ...fact, eventId: 'null' }, 'pageviews').type, 'pageview');
});

function isRead(visitor: string): boolean {
  return isPlain(Buffer.from(JSON.stringify({ ...fact, visitor })));
}

test('an id that may be a placeholder by its end is left to the decoder; all others are read', () => {
  for (const visitor of ['cookie:9f3c', 'ip:192.0.2.10', '12a', 'user:42', 'c:77aed4'])
    assert.ok(isRead(visitor), visitor);
  for (const visitor of ['u:mall', 'user:0', 'c:100', 'id:{9f}', 'a', 'ab']) {
    assert.equal(isRead(visitor), false, visitor);
    assert.equal(decodedIn({ ...fact, visitor }, 'pageviews').type, 'pageview');
  }
});

test('reading equals decoding, for any pageview and any change of its bytes', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), insert: fc.boolean() });
  fc.assert(
    fc.property(pageviews, fc.option(change), (pageview, changed) => {
      let record = Buffer.from(JSON.stringify(pageview));
      if (changed !== null) {
        const at = changed.at % record.length;
        const rest = record.subarray(changed.insert ? at : at + 1);
        record = Buffer.concat([record.subarray(0, at), Buffer.of(changed.byte), rest]);
      }
      if (isPlain(record)) requireSame(record);
    }),
    { numRuns: Number(process.env['RUNS'] ?? 5_000) },
  );
});

test('records that are not plain are refused: escapes, other letters, other orders, more or other values', () => {
  const json = JSON.stringify(fact);
  const { visitor, ...others } = fact;
  const refused = [
    JSON.stringify({ ...fact, visitor: 'é' }),
    JSON.stringify({ ...fact, visitor: 'a"b' }),
    JSON.stringify({ ...fact, visitor: '' }),
    JSON.stringify({ ...fact, eventId: 'x'.repeat(257) }),
    JSON.stringify({ ...others, visitor }),
    JSON.stringify({ ...fact, extra: 1 }),
    json.replace('1767600000000', '01767600000000'),
    json.replace('1767600000000', '-1'),
    json.replace('1767600000000', '1e3'),
    json.replace('1767600000000', ''),
    `${json} `,
    json.slice(0, -1),
    '',
  ];
  for (const record of refused) assert.equal(isPlain(Buffer.from(record)), false, record);
});
