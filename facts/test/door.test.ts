import assert from 'node:assert/strict';
import { testErasures } from './erasures.js';
import { test } from 'node:test';
import fc from 'fast-check';
import { admit, type FactDefaults, type Warning } from '../door.js';
import { timeStart, type Fact } from '../fact.js';
import { maxIdBytes, maxTextBytes } from '../ids.js';
import { decodeRecord, encodeRecord } from '../record.js';
import { UrlRules } from '../url/normalize.js';

const now = Date.UTC(2026, 0, 1);
const urls = new UrlRules();
const view = { type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/', timestamp: now, eventId: 'e-1' };
const edge = { type: 'equiv', a: 'cookie:1', b: 'user:2', timestamp: now, eventId: 'e-2' };

function taken(raw: object, defaults?: FactDefaults): Fact & { warnings: readonly Warning[] } {
  const admission = admit(raw, now, urls, defaults);
  if (!admission.ok) assert.fail(admission.reason);
  return { ...admission.fact, warnings: admission.warnings };
}

function reasonOf(raw: object): string {
  const admission = admit(raw, now, urls);
  assert.ok(!admission.ok, JSON.stringify(raw));
  assert.ok(admission.reason.startsWith(admission.field), admission.reason);
  return admission.reason;
}

const recordOf = (raw: object): string => {
  const { warnings, ...fact } = taken(raw);
  assert.deepEqual(warnings, []);
  return Buffer.from(encodeRecord(fact, urls).value).toString();
};

test('a fact without the optional fields is written as it always was', () => {
  assert.equal(
    recordOf(view),
    '{"type":"pageview","visitor":"cookie:1","url":"https://e.org/","timestamp":1767225600000,"eventId":"e-1","receivedAt":1767225600000}',
  );
  assert.equal(
    recordOf({ ...view, referrer: 'https://r.example/', userAgent: 'Firefox' }),
    '{"type":"pageview","visitor":"cookie:1","url":"https://e.org/","timestamp":1767225600000,"eventId":"e-1","receivedAt":1767225600000,"userAgent":"Firefox","referrer":"https://r.example/"}',
  );
  assert.equal(
    recordOf({ ...view, importId: 'import:7', country: 'de' }),
    '{"type":"pageview","visitor":"cookie:1","url":"https://e.org/","timestamp":1767225600000,"eventId":"e-1","receivedAt":1767225600000,"country":"DE","importId":"import:7"}',
  );
  assert.equal(
    recordOf({ ...edge, source: 'login' }),
    '{"type":"equiv","a":"cookie:1","b":"user:2","timestamp":1767225600000,"eventId":"e-2","receivedAt":1767225600000,"source":"login"}',
  );
});

test('a fact without a timestamp happened when it was received', () => {
  for (const { timestamp: _, ...timeless } of [view, edge]) assert.equal(taken(timeless).timestamp, now);
});

const iso = (time: number): string => new Date(time).toISOString();

test('times are taken from 1990 until five minutes from now', () => {
  for (const timestamp of [timeStart, now + 300_000, now - 0.5, iso(timeStart), '1990-01-01T01:00:00+01:00'])
    assert.ok(taken({ ...view, timestamp }).timestamp >= timeStart);
  for (const timestamp of [timeStart - 1, iso(timeStart - 1), -1, 0, -1e300])
    assert.match(reasonOf({ ...edge, timestamp }), /^timestamp is before 1990-01-01T00:00:00Z: [-"\d]/);
  for (const timestamp of [now + 300_001, iso(now + 300_001), 1e300])
    assert.match(reasonOf({ ...view, timestamp }), /^timestamp is more than 5 minutes after its arrival/);
  for (const timestamp of [null, true, Number.NaN, Number.POSITIVE_INFINITY, '', 'now', {}, []])
    assert.match(
      reasonOf({ ...view, timestamp }),
      /^timestamp must be an existing time in RFC 3339.*; got \S/,
    );
});

test('a time in another unit is refused with the unit named', () => {
  const hints = (timestamp: unknown): string | undefined =>
    / \((.*)\)$/.exec(reasonOf({ ...view, timestamp }))?.[1];
  assert.equal(
    reasonOf({ ...view, timestamp: 1_764_436_000 }),
    'timestamp is before 1990-01-01T00:00:00Z: 1764436000 (seconds instead of milliseconds?)',
  );
  const seconds = 'seconds instead of milliseconds?';
  assert.equal(hints(1_764_436_000.25), seconds);
  assert.equal(hints(new Date(1_764_436_000).toISOString()), seconds);
  assert.equal(hints(timeStart / 1_000), seconds);
  assert.equal(hints(timeStart / 1_000 - 1), undefined);
  assert.equal(hints(now / 1_000 + 301), undefined);
  assert.equal(hints(now * 1_000), 'microseconds instead of milliseconds?');
  assert.equal(hints(now * 1_000_000), 'nanoseconds instead of milliseconds?');
  assert.equal(hints(now * 1_000_000_000), undefined);
  assert.equal(hints('1764436000000'), 'a number in quotes?');
});

test('an edge to a placeholder and a pageview of one are refused, naming field and value', () => {
  const idfa = 'idfa:00000000-0000-0000-0000-000000000000';
  for (const b of [idfa, 'user:null', 'Guest', '"0"']) {
    const shown = JSON.stringify(b);
    assert.equal(reasonOf({ ...edge, b }), `b is a placeholder, not an id: ${shown}`);
    assert.equal(reasonOf({ ...edge, type: 'retract', a: b }), `a is a placeholder, not an id: ${shown}`);
    assert.equal(reasonOf({ ...view, visitor: b }), `visitor is a placeholder, not an id: ${shown}`);
  }
  for (const id of ['user:0', 'nobody', 'ip:2001:db8::']) {
    taken({ ...edge, b: id });
    taken({ ...view, visitor: id });
  }
  assert.equal(reasonOf({ ...edge, b: edge.a }), 'b must differ from a: "cookie:1"');
});

const factsWith = (id: unknown): readonly object[] => [
  { ...view, visitor: id },
  { ...view, importId: id },
  { ...edge, a: id },
  { ...edge, b: id },
  { ...view, eventId: id },
];

test('an id is 1 to 256 bytes of well-formed text without control characters', () => {
  for (const id of ['x'.repeat(256), 'é'.repeat(128), '😀'.repeat(64)])
    for (const raw of factsWith(id)) taken(raw);
  const wrong: readonly [id: unknown, reason: RegExp][] = [
    ['x'.repeat(257), /^\w+ must be at most 256 bytes of UTF-8, got 257: "xx/],
    ['é'.repeat(129), /^\w+ must be at most 256 bytes of UTF-8, got 258/],
    ['a\u0000', /^\w+ must not contain control characters: "a\\u0000"$/],
    ['a\u0085', /^\w+ must not contain control characters/],
    ['a\ud800', /^\w+ must be well-formed Unicode: "a\\ud800"$/],
    [7, /^\w+ must be a string, got 7$/],
  ];
  for (const [id, reason] of wrong) for (const raw of factsWith(id)) assert.match(reasonOf(raw), reason);
  for (const raw of factsWith('').slice(0, 4)) assert.match(reasonOf(raw), /^\w+ must not be empty$/);
});

test('a placeholder eventId counts as none: the fact gets another, with a warning', () => {
  for (const eventId of ['null', 'undefined', '', 'evt:NaN', '00000000-0000-0000-0000-000000000000', null]) {
    for (const raw of [view, edge]) {
      const one = taken({ ...raw, eventId });
      assert.match(one.eventId, /^[0-9a-f]{8}-/);
      assert.notEqual(one.eventId, taken({ ...raw, eventId }).eventId);
      const shown = JSON.stringify(eventId);
      assert.deepEqual(one.warnings, [
        { field: 'eventId', message: `eventId is a placeholder and was replaced: ${shown}` },
      ]);
      assert.equal(taken({ ...raw, eventId }, { eventId: () => 'line:1' }).eventId, 'line:1');
    }
  }
  const { eventId: _, ...without } = view;
  assert.deepEqual(taken(without).warnings, []);
});

test('a country is two ASCII letters, kept in upper case', () => {
  for (const country of ['DE', 'de', 'dE']) {
    const fact = taken({ ...view, country });
    assert.equal(fact.type === 'pageview' && fact.country, 'DE');
  }
  for (const country of ['', 'D', 'DEU', 'd1', 'ıd', 'ß', ' DE', 'DE\n', 7])
    assert.match(reasonOf({ ...view, country }), /^country must be a country's two letters .*, got ./);
});

test('texts that are too long are cut between characters, and the rest of the fact is taken', () => {
  const fields = [
    { field: 'userAgent', raw: view, maxBytes: maxTextBytes },
    { field: 'referrer', raw: view, maxBytes: maxTextBytes },
    { field: 'source', raw: edge, maxBytes: maxIdBytes },
  ];
  const text = fc.string({ unit: 'binary', maxLength: 400, size: 'max' }).map((part) => part.repeat(8));
  for (const { field, raw, maxBytes } of fields) {
    fc.assert(
      fc.property(fc.oneof(text, fc.constant('x'.repeat(2_100)), fc.constant('\ud83d')), (value) => {
        const { warnings, ...fact } = taken({ ...raw, [field]: value });
        const kept = String(Reflect.get(fact, field));
        const whole = value.toWellFormed();
        assert.ok(whole.startsWith(kept) && kept.isWellFormed());
        const [next = ''] = whole.slice(kept.length);
        const bytes = Buffer.byteLength(kept);
        assert.ok(bytes <= maxBytes && (next === '' || bytes + Buffer.byteLength(next) > maxBytes));
        assert.equal(warnings.length, Number(whole !== value) + Number(kept !== whole));
        for (const warning of warnings) assert.equal(warning.field, field);
        const record = encodeRecord(fact, urls);
        assert.deepEqual(decodeRecord(record.value, record.topic), fact);
      }),
      { numRuns: 200 },
    );
  }
  assert.deepEqual(taken({ ...view, referrer: `https://r.example/${'x'.repeat(2_082)}` }).warnings, [
    { field: 'referrer', message: 'referrer was cut to 2048 bytes of UTF-8, had 2100' },
  ]);
  assert.match(
    reasonOf({ ...view, referrer: ['https://r.example/'] }),
    /^referrer must be a string, got an array/,
  );
});

test('null counts as a missing optional field', () => {
  const { userAgent: _, ...nulls } = { userAgent: null, referrer: null, country: null, importId: null };
  assert.deepEqual(taken({ ...view, ...nulls, userAgent: null }), taken(view));
  assert.deepEqual(taken({ ...edge, source: null }), taken(edge));
});

test('unknown fields are dropped and named; they do not become fields of the record', () => {
  const raw: unknown = JSON.parse(
    '{"type":"pageview","visitor":"v","url":"https://e.org/","user_agent":"x","__proto__":{"country":"DE"},"receivedAt":1,"offset":9,"a":[[1]]}',
  );
  assert.ok(typeof raw === 'object' && raw !== null);
  const { warnings, eventId: _, ...fact } = taken(raw);
  assert.deepEqual(fact, {
    type: 'pageview',
    visitor: 'v',
    url: 'https://e.org/',
    timestamp: now,
    receivedAt: now,
  });
  assert.deepEqual(
    warnings.map(({ field }) => field),
    ['user_agent', '__proto__', 'receivedAt', 'offset', 'a'],
  );
  assert.equal(
    warnings[0]?.message,
    '"user_agent" is not a field of a fact of type pageview and was dropped',
  );
  const [long] = taken({ ...edge, ['x'.repeat(10_000)]: 1 }).warnings;
  assert.ok(long !== undefined && long.field.length === 64 && long.message.length < 200);
});

test('the given user agent replaces a missing one only', () => {
  const agentOf = (raw: object): string | undefined => {
    const fact = taken(raw, { userAgent: 'Firefox' });
    return fact.type === 'pageview' ? fact.userAgent : undefined;
  };
  assert.equal(agentOf(view), 'Firefox');
  assert.equal(agentOf({ ...view, userAgent: null }), 'Firefox');
  assert.equal(agentOf({ ...view, userAgent: 'curl' }), 'curl');
  assert.equal(agentOf({ ...view, userAgent: '' }), '');
  assert.ok(!('userAgent' in taken(edge, { userAgent: 'Firefox' })));
});

const exclusion = {
  type: 'exclude',
  by: 'visitor',
  value: 'cookie:1',
  timestamp: now,
  eventId: 'e-3',
};

test('an exclusion is written with its times in milliseconds, under its value as key', () => {
  assert.equal(
    recordOf({ ...exclusion, from: '2025-12-01T00:00:00Z', to: now }),
    '{"type":"exclude","by":"visitor","value":"cookie:1","timestamp":1767225600000,"eventId":"e-3","receivedAt":1767225600000,"from":1764547200000,"to":1767225600000}',
  );
  const { warnings: _, ...fact } = taken({ ...exclusion, type: 'include', to: null });
  const record = encodeRecord(fact, urls);
  assert.deepEqual([record.topic, record.key], ['equivs', 'cookie:1']);
  assert.deepEqual(decodeRecord(record.value, 'equivs'), fact);
  assert.ok(!('to' in fact));
});

test('an exclusion of what no pageview can have is refused, naming field and value', () => {
  const refused: readonly (readonly [change: object, reason: RegExp])[] = [
    [
      { by: undefined },
      /^by must be "visitor" or "importId" or "urlPrefix" or "userAgent" or "erased", got undefined/,
    ],
    [{ by: 'domain' }, /^by must be .*, got "domain"$/],
    [{ value: undefined }, /^value is missing$/],
    [{ value: 7 }, /^value must be a string, got 7$/],
    [{ value: 'user:null' }, /^value is a placeholder, not an id: "user:null"$/],
    [{ value: 'x'.repeat(257) }, /^value must be at most 256 bytes/],
    [{ by: 'importId', value: '' }, /^value must not be empty/],
    [{ by: 'userAgent', value: '' }, /^value must be 1 to 2048 bytes .*: ""$/],
    [{ by: 'userAgent', value: 'x'.repeat(2049) }, /^value must be 1 to 2048 bytes/],
    [{ by: 'urlPrefix', value: '/admin' }, /^value is not a valid absolute URL: "\/admin"$/],
    [{ by: 'urlPrefix', value: 'ftp://e.org/' }, /^value must be http or https: /],
    [
      { by: 'urlPrefix', value: 'https://e.org/?q=1' },
      /^value must not hold a query or a fragment.*: "https/,
    ],
    [{ from: 'yesterday' }, /^from must be RFC 3339 or UTC milliseconds, from 1990 on: "yesterday"$/],
    [{ to: now / 1000 }, /^to must be RFC 3339 or UTC milliseconds, from 1990 on: 1767225600$/],
    [{ from: now, to: now }, /^to must be later than from: 1767225600000$/],
    [{ timestamp: now + 1e9 }, /^timestamp is more than 5 minutes after/],
    [{ eventId: 7 }, /^eventId must be a string/],
    [{ by: 'erased' }, /^value must be the hash of an erased id.*: "cookie:1"$/],
    [{ by: 'erased', type: 'include', value: testErasures.valueOf('a') }, /^by must not be "erased": /],
  ];
  for (const [change, reason] of refused) assert.match(reasonOf({ ...exclusion, ...change }), reason);
  assert.deepEqual(
    taken({
      ...exclusion,
      by: 'urlPrefix',
      value: 'https://e.org/a/',
      to: now + 1e10,
      why: 'x',
    }).warnings.map(({ message }) => message),
    ['"why" is not a field of a fact of type exclude and was dropped'],
    'times that lie ahead may be excluded',
  );
});
