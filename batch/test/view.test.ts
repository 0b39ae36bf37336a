import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EquivEdge, Fact, Pageview } from '../../facts/fact.js';
import { readCurrent } from '../../serving/current.js';
import { openView } from '../../serving/store.js';
import { runBatch } from '../run.js';
import { assertViewEquals } from '../../test/oracle/compare.js';
import { placed } from '../../test/oracle/ledger.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { rounds } from '../../test/rounds.js';

const runs = rounds(5, 12);
const start = Date.UTC(2024, 0, 31, 22);

/** Few ids, pages and times, so that people repeat, merge and split; minutes around midnight and the end of a month. */
const visitor = fc.constantFrom(
  'cookie:a',
  'cookie:b',
  'cookie:c',
  'user:1',
  'user:2',
  'zürich',
  '\u{1F600}',
  '\uFFFD',
);
const timestamp = fc.oneof(
  fc.integer({ min: 0, max: 300 }).map((minute) => start + minute * 60_000),
  fc.integer({ min: 0, max: 400 * 24 }).map((hour) => start - hour * 3_600_000),
);
const eventId = fc.oneof(
  { weight: 4, arbitrary: fc.uuid() },
  { weight: 1, arbitrary: fc.constantFrom('e1', 'e2') },
);
const url = fc.constantFrom(
  'https://example.com/a',
  'https://EXAMPLE.com:443/a/?q=1',
  'https://www.example.com/%7Eb',
  'http://blog.example.co.uk/',
  'http://127.0.0.1/x',
);
const pageview: fc.Arbitrary<Pageview> = fc.record({
  type: fc.constant('pageview' as const),
  visitor,
  url,
  timestamp,
  eventId,
  receivedAt: fc.constant(testClock()),
  userAgent: fc.constantFrom('Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0', 'Googlebot/2.1', 'curl/8.0'),
});
const edge: fc.Arbitrary<EquivEdge> = fc
  .record({
    type: fc.constantFrom('equiv' as const, 'equiv' as const, 'retract' as const),
    a: visitor,
    b: visitor,
    timestamp,
    eventId,
    receivedAt: fc.constant(testClock()),
  })
  .filter((fact) => fact.a !== fact.b);
const history: fc.Arbitrary<Fact[]> = fc.array(
  fc.oneof({ weight: 5, arbitrary: pageview }, { weight: 1, arbitrary: edge }),
  { maxLength: 60 },
);

test('a batch view holds exactly what a plain count of the same facts gives', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (facts) => {
      const config = makeDataDir({ lgK: 8 });
      await store(config, facts);
      const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
      assert.equal(readCurrent(config.dataDir), meta.id);
      const view = openView(config.dataDir, meta.id);
      try {
        assertViewEquals(view, placed(facts));
      } finally {
        view.close();
      }
    }),
    { numRuns: runs },
  );
});

test('busy pages and domains are paged, their days and months stored, and all of it equals a plain count', async (t) => {
  const config = makeDataDir({ lgK: 10 });
  const facts: Fact[] = [];
  for (let i = 0; i < 12_000; i++) {
    facts.push({
      type: 'pageview',
      visitor: `cookie:${(i * 7919) % 3000}`,
      url: `https://example.com/${i % 10 === 0 ? i % 400 : 'busy'}`,
      timestamp: start + ((i * 104_729) % 5000) * 60_000,
      eventId: `e${i}`,
      receivedAt: testClock(),
    });
  }
  await store(config, facts);
  const meta = await runBatch({ config, clock: testClock, trigger: 'command' });
  const view = openView(config.dataDir, meta.id);
  t.after(() => view.close());
  assertViewEquals(view, placed(facts));
});
