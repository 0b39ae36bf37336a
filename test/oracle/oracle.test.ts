/** The oracle itself, on cases worked out by hand. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { admit } from '../../facts/door.js';
import type { EquivEdge, Fact, Pageview } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { dimensions } from '../../facts/subjects.js';
import type { BatchView } from '../../facts/views/view.js';
import type { LogId, Offsets } from '../../log/log.js';
import { oracleView } from './batch-view.js';
import { assertViewEquals } from './compare.js';
import { batchTally, generationTally, realtimeTally } from './layers.js';
import { placed } from './ledger.js';
import { compareBytes, countedViews, joined, livePairs, over, visitsOf, type Placed } from './oracle.js';
import { oracleDimensions } from './values.js';

const rules = makeRules({ urlQueryAllow: [], bots: 'exclude' });
const noon = Date.UTC(2024, 1, 29, 12);
const minute = 60_000;
const hour0 = noon / (60 * minute);

function view(visitor: string, path: string, eventId: string, change: Partial<Pageview> = {}): Pageview {
  const url = `https://example.com${path}`;
  return { type: 'pageview', visitor, url, timestamp: noon, eventId, receivedAt: noon, ...change };
}

function edge(type: EquivEdge['type'], a: string, b: string, eventId: string, timestamp = noon): EquivEdge {
  return { type, a, b, timestamp, eventId, receivedAt: noon };
}

function countOf(ledger: readonly Placed[]): number {
  return batchTally(ledger, rules).pageviews;
}

const at = (...offsets: readonly number[]): Offsets =>
  Object.fromEntries(offsets.map((offset, i) => [`pageviews/${i}`, offset])) as Offsets;

test('six pageviews of six people on six pages count six times, whatever eventId they share', () => {
  const lines = readFileSync(assetPath('test/oracle/repeats.ndjson'), 'utf8').trim().split('\n');
  const facts = lines.map((line): Fact => {
    const admission = admit(JSON.parse(line), noon + 1e12, rules.url);
    assert.ok(admission.ok);
    return admission.fact;
  });
  assert.equal(new Set(facts.map(({ eventId }) => eventId)).size, 1);
  const tally = batchTally(placed(facts), rules);
  assert.equal(tally.pageviews, 6);
  assert.equal(tally.people.size, 6);
  assert.equal(countOf(placed([...facts, ...facts])), 6, 'the same facts again are repeats');
});

test('a repeat has partition, eventId, visitor and page of one that counts', () => {
  const first = view('a', '/x', 'e');
  const same = view('a', '/x/?utm=1#top', 'e', { timestamp: noon + 1 });
  assert.equal(countOf(placed([first, same])), 1, 'two spellings of a page are one page');
  assert.equal(countOf(placed([first, view('b', '/x', 'e')])), 2);
  assert.equal(countOf(placed([first, view('a', '/y', 'e')])), 2);
  assert.equal(countOf(placed([first, view('a', '/x', 'f')])), 2);
  assert.equal(countOf([...placed([first]), { partition: 'pageviews/1', offset: 0, fact: first }]), 2);
});

test('what does not count makes nothing a repeat', () => {
  const bot = view('a', '/x', 'e', { userAgent: 'Googlebot/2.1' });
  const refused = view('a', '/x', 'e', { url: 'ftp://example.com/x' });
  const ledger = placed([bot, refused, view('a', '/x', 'e'), bot, view('a', '/x', 'e')]);
  const { views, uncounted } = countedViews(ledger, rules);
  assert.deepEqual(
    views.map(({ offset }) => offset),
    [2],
  );
  assert.deepEqual(uncounted, { refusedUrl: 1, bot: 2, excluded: 0, repeat: 1 });
});

test('from its cut on a generation sees a repeat when any earlier one lies within the window', () => {
  const facts = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => view(`v${i}`, '/x', 'e'));
  const ledger = placed(facts).map(({ fact, ...place }) =>
    [0, 2, 5, 8].includes(place.offset) ? { ...place, fact: view('v', '/x', 'e') } : { ...place, fact },
  );
  const counted = (from: number, window: number): number[] => {
    const { views } = countedViews(ledger, rules, { window: { from: at(from), size: window } });
    const generation = { from: at(from), personOf: String, window, rules };
    const together = generationTally(ledger, generation, at(9)).pageviews;
    assert.equal(together, views.length);
    const realtime = realtimeTally(ledger, generation, at(9)).pageviews;
    assert.equal(realtime, views.filter(({ offset }) => offset >= from).length);
    return views.filter(({ visitor }) => visitor === 'v').map(({ offset }) => offset);
  };
  assert.deepEqual(counted(9, 0), [0], 'all before the cut: no window');
  assert.deepEqual(counted(0, 3), [0], 'each repeats the one before it');
  assert.deepEqual(counted(0, 2), [0, 5, 8]);
  assert.deepEqual(counted(6, 2), [0, 8]);
  assert.deepEqual(counted(3, 3), [0], 'the first lies before the cut');
  assert.deepEqual(counted(0, 0), [0, 2, 5, 8]);
});

test('an edge told again after its retraction at one timestamp stays retracted', () => {
  const ledger = placed([
    edge('equiv', 'a', 'b', 'e1'),
    edge('retract', 'b', 'a', 'e2'),
    edge('equiv', 'b', 'a', 'e1'),
  ]);
  assert.deepEqual(livePairs(ledger), []);
  const again = placed([...ledger.map(({ fact }) => fact), edge('equiv', 'a', 'b', 'e3')]);
  assert.deepEqual(livePairs(again), [['a', 'b']]);
});

test('edges repeat by eventId, type and pair together, whatever their partition', () => {
  const first = edge('equiv', 'a', 'b', 'e');
  assert.deepEqual(livePairs(placed([first, edge('retract', 'a', 'b', 'e')])), []);
  assert.deepEqual(livePairs(placed([first, edge('equiv', 'a', 'c', 'e')])), [
    ['a', 'b'],
    ['a', 'c'],
  ]);
  // The first by (partition, offset) counts, with its own timestamp.
  const elsewhere: Placed[] = [
    { partition: 'equivs/1', offset: 0, fact: edge('retract', 'a', 'b', 'r', noon + 1) },
    { partition: 'equivs/1', offset: 1, fact: edge('equiv', 'a', 'b', 'e', noon + 2) },
    { partition: 'equivs/0', offset: 7, fact: first },
  ];
  assert.deepEqual(livePairs(elsewhere), []);
  assert.deepEqual(livePairs(elsewhere.slice(0, 2)), [['a', 'b']]);
});

test('of all facts on a pair the latest wins: by timestamp, then partition, then offset', () => {
  const join = edge('equiv', 'a', 'b', 'e1', noon + 1);
  const part = edge('retract', 'a', 'b', 'e2', noon);
  assert.deepEqual(livePairs(placed([join, part])), [['a', 'b']]);
  const tie = edge('retract', 'a', 'b', 'e3', noon + 1);
  assert.deepEqual(livePairs(placed([join, tie])), []);
  assert.deepEqual(livePairs(placed([tie, join])), [['a', 'b']]);
  const partitions: Placed[] = [
    { partition: 'equivs/10', offset: 0, fact: tie },
    { partition: 'equivs/2', offset: 5, fact: join },
  ];
  assert.deepEqual(livePairs(partitions), [], 'partition 10 comes after partition 2');
});

test('placeholders are nobody, in any case or quoting and after any kind; user:0 is a person', () => {
  const nilUuid = '00000000-0000-0000-0000-000000000000';
  const bare = [
    '',
    'NULL',
    ' "null" ',
    '(null)',
    'nil',
    'undefined',
    'NaN',
    'none',
    'True',
    'false',
    'Guest',
  ];
  const more = ['unknown', 'anonymous', '[object Object]', '(not set)', '${user.id}', '0', '0'.repeat(32)];
  const placeholders = [...bare, ...more, 'user:{{id}}', 'idfa:null', 'a:b:"None"', `idfa:${nilUuid}`];
  for (const id of placeholders) {
    assert.deepEqual(livePairs(placed([edge('equiv', id, 'x', 'e')])), [], id);
    assert.equal(countOf(placed([view(id, '/x', 'e')])), 0, id);
  }
  for (const id of ['user:0', 'nullable', 'user:nul', '00', '{id}']) {
    assert.equal(livePairs(placed([edge('equiv', id, 'x', 'e')])).length, 1, id);
    assert.equal(countOf(placed([view(id, '/x', 'e')])), 1, id);
  }
});

test('a PersonID is the least id of its component in UTF-8 byte order', () => {
  const ascending = ['\u{feff}a', 'Z', 'a', 'zürich', '\uE000', '\uFFFD', '\u{1F600}'];
  const order = ['Z', 'a', 'zürich', '\uE000', '\u{feff}a', '\uFFFD', '\u{1F600}'];
  assert.deepEqual(ascending.toSorted(compareBytes), order);
  const chain = order.slice(1).map((id, i): [string, string] => [id, order[i] ?? '']);
  for (const pairs of [chain, chain.toReversed(), [...chain.slice(3), ...chain.slice(0, 3)]]) {
    assert.deepEqual(new Set(joined(pairs).values()), new Set(['Z']));
  }
  assert.deepEqual(
    joined([
      ['\u{1F600}', '\uE000'],
      ['c', 'b'],
    ]),
    new Map([
      ['\u{1F600}', '\uE000'],
      ['\uE000', '\uE000'],
      ['c', 'b'],
      ['b', 'b'],
    ]),
  );
});

test('pageviews and people of hours, days and months, by the fact’s own time', () => {
  const late = noon - 400 * 24 * 60 * minute;
  const facts: Fact[] = [
    view('a', '/x', '1'),
    view('b', '/x', '2', { timestamp: noon + 12 * 60 * minute - 1 }),
    view('b', '/y', '3', { timestamp: noon + 12 * 60 * minute }), // the first of March
    view('c', '/x', '4', { timestamp: late }),
    edge('equiv', 'b', 'a', '5'),
  ];
  const tally = batchTally(placed(facts), rules);
  const page = [...(tally.subjects.get('page https://example.com/x') ?? [])];
  assert.deepEqual(
    page.map(([name, { pageviews, people }]) => [name, pageviews, ...people]),
    [
      [`base ${hour0}`, 1, 'a'],
      ['day 19782', 2, 'a'],
      ['month 649', 2, 'a'],
      [`base ${hour0 + 11}`, 1, 'a'],
      [`base ${hour0 - 9_600}`, 1, 'c'],
      ['day 19382', 1, 'c'],
      ['month 636', 1, 'c'],
    ],
  );
  const march = tally.subjects.get('domain example.com');
  assert.deepEqual(march?.get('month 650'), { pageviews: 1, people: new Set(['a']) });
  assert.deepEqual(over(tally, 'domain example.com', hour0, hour0 + 13), {
    pageviews: 3,
    people: new Set(['a']),
  });
  assert.deepEqual(tally.people, new Set(['a', 'c']));
});

test('a visit ends after 30 minutes without a view, counts in the hour it began, and bounces with one view', () => {
  const times = [59, 0, 30, 88, 29.9].map((minutes) => noon + minutes * minute);
  assert.deepEqual(
    visitsOf(times).map((visit) => visit.map((time) => (time - noon) / minute)),
    [[0, 29.9, 30, 59, 88]],
  );
  const facts = [50, 70, 100, 100, 130].map((minutes, i) =>
    view('a', `/${i}`, `${i}`, { timestamp: noon + minutes * minute }),
  );
  assert.deepEqual(
    batchTally(placed(facts), rules).visits,
    new Map([
      [
        'example.com',
        new Map([
          [hour0, { visits: 1, bounces: 0, pageviews: 2, durationMs: 20 * minute }],
          [hour0 + 1, { visits: 1, bounces: 0, pageviews: 2, durationMs: 0 }],
          [hour0 + 2, { visits: 1, bounces: 1, pageviews: 1, durationMs: 0 }],
        ]),
      ],
    ]),
  );
});

test('the oracle has a line for every dimension of the table, and no other', () => {
  assert.deepEqual(
    Object.keys(oracleDimensions),
    dimensions.map(({ name }) => name),
  );
});

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0';

/** Of one pageview each, the value of a dimension. */
function valueIn(dimension: string, change: Partial<Pageview>): string | undefined {
  const { views } = countedViews(placed([view('a', '/x', 'e', change)]), rules);
  return views[0]?.values.get(dimension);
}

test('a source is the utm_source, else the domain of a referrer elsewhere, else direct', () => {
  const url = 'https://www.example.com/x?utm_source=May+Letter';
  for (const [source, change] of [
    ['direct', {}],
    ['direct', { referrer: '' }],
    ['direct', { referrer: 'not a URL' }],
    ['direct', { referrer: 'https://shop.example.com/' }],
    ['search.example', { referrer: 'https://www.search.example/find?q=x' }],
    ['may letter', { url }],
    ['may letter', { url, referrer: 'https://www.search.example/' }],
    ['search.example', { url: 'https://example.com/?utm_source=', referrer: 'https://search.example' }],
  ] as const)
    assert.equal(valueIn('source', change), source, JSON.stringify(change));
});

test('a browser is a family, or not known', () => {
  assert.equal(valueIn('browser', { userAgent: firefox }), 'firefox');
  assert.equal(valueIn('browser', { userAgent: firefox.replaceAll('130', '9') }), 'firefox');
  for (const change of [{}, { userAgent: '' }, { userAgent: 'Mozilla/5.0 (X11; Linux x86_64)' }])
    assert.equal(valueIn('browser', change), 'unknown');
});

test('values count within their domain, those of the dimensions that are kept', () => {
  const facts = [
    view('a', '/x', 'e1', { userAgent: firefox }),
    view('b', '/y', 'e2', { url: 'https://b.example/?utm_source=Letter  x' }),
    view('b', '/y', 'e3', { url: 'https://b.example/', userAgent: firefox }),
  ];
  const valuesOf = (names: readonly string[]): string[] => {
    const { subjects } = batchTally(
      placed(facts),
      makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions: names }),
    );
    return [...subjects.keys()].filter((name) => name.startsWith('value ')).toSorted();
  };
  const browsers = ['b.example firefox', 'b.example unknown', 'example.com firefox'];
  const sources = ['b.example direct', 'b.example letter  x', 'example.com direct'];
  assert.deepEqual(valuesOf(['source', 'browser']), [
    ...browsers.map((name) => `value browser ${name}`),
    ...sources.map((name) => `value source ${name}`),
  ]);
  assert.deepEqual(
    valuesOf(['browser']),
    browsers.map((name) => `value browser ${name}`),
  );
  assert.deepEqual(valuesOf([]), []);
});

test('a repeat has the values of the one that counts', () => {
  const first = view('a', '/x', 'e', { referrer: 'https://search.example/' });
  const { subjects } = batchTally(placed([first, view('a', '/x', 'e')]), rules);
  assert.deepEqual(
    [...subjects.keys()].filter((name) => name.startsWith('value source')),
    ['value source example.com search.example'],
  );
});

test('a view is held to its values: cells, listings and how many there are', () => {
  const names = ['source', 'browser'];
  const ofTwo = makeRules({ urlQueryAllow: [], bots: 'exclude', dimensions: names });
  const ledger = placed([
    view('a', '/x', 'e1', { referrer: 'https://search.example/' }),
    view('b', '/x', 'e2', { userAgent: firefox, timestamp: noon + 24 * 60 * minute }),
    view('b', '/y', 'e3'),
  ]);
  const cut = { logId: 'log' as LogId, next: at(3) };
  const made = oracleView(ledger, cut, 1, ofTwo, 12);
  const counts = {
    pageviews: 3,
    pages: 2,
    domains: 1,
    values: { source: 2, browser: 2 },
    persons: 2,
    mappedIds: 0,
  };
  const { visits } = batchTally(ledger, ofTwo);
  const visitHours: BatchView['forEachVisitBucket'] = (domain, _from, _to, visit) =>
    visits.get(domain)?.forEach((cell, bucket) => visit({ bucket, ...cell }));
  const right: BatchView = { ...made, meta: { ...made.meta, counts }, forEachVisitBucket: visitHours };
  assert.ok(assertViewEquals(right, ledger, ofTwo).cells > 0);
  const wrong: readonly [string, Partial<BatchView>][] = [
    ['a value is not listed', { values: (name, domain) => [...made.values(name, domain)].slice(1) }],
    [
      'its pageviews are wrong',
      { values: (name, domain) => [...made.values(name, domain)].map((each) => ({ ...each, pageviews: 9 })) },
    ],
    [
      'they are counted wrong',
      { meta: { ...right.meta, counts: { ...counts, values: { source: 2, browser: 1 } } } },
    ],
    [
      'in another order',
      { meta: { ...right.meta, counts: { ...counts, values: { browser: 2, source: 2 } } } },
    ],
    [
      'its cells are those of its domain',
      {
        forEachBucket: (subject, ...rest) =>
          made.forEachBucket(
            subject.kind === 'value' ? { kind: 'domain', domain: subject.domain } : subject,
            ...rest,
          ),
      },
    ],
  ];
  for (const [what, change] of wrong)
    assert.throws(
      () => assertViewEquals({ ...right, ...change }, ledger, ofTwo),
      assert.AssertionError,
      what,
    );
});
