import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRfc3339 } from '../../lib/time/real-time.js';
import { hourMs } from '../../lib/time/buckets.js';
import { ask, type AskInput } from '../inquiries.js';
import { FakeBatchView, FakeRealtimeView, show, type View } from './fakes.js';
import { engineOver, serve } from './server.js';

const url = 'https://example.org/';
const hour0 = Date.UTC(2025, 2, 1) / hourMs;

interface Compared {
  readonly from: string;
  readonly to: string;
  readonly visitors: number;
  readonly pageviews: number;
  readonly overlap: boolean;
}

interface Data {
  readonly visitors: number;
  readonly pageviews: number;
  readonly compare: Compared | null;
  readonly series?: readonly { readonly label: string; readonly compare: Compared | null }[];
}

const empty = new FakeBatchView([]);

async function dataOf(engine: ReturnType<typeof engineOver>, name: string, input: AskInput): Promise<Data> {
  return (await ask(engine, name, { domain: 'example.org', ...input })).body.data as unknown as Data;
}

/** Where the earlier period lies: `from/to`, without the parts of a time that are zero. */
async function earlier(input: AskInput): Promise<readonly string[]> {
  const engine = engineOver({ batch: empty, realtime: undefined });
  const { compare, series = [] } = await dataOf(engine, 'pageviews', input);
  engine.generations.close();
  return [compare, ...series.map((entry) => entry.compare)].map((period) =>
    period === null ? 'none' : `${period.from}/${period.to}`.replaceAll(/(T00)?:00:00Z/g, ''),
  );
}

test('the earlier period has the length of the range, or its dates a year before, by the clocks of the zone', async () => {
  const table: readonly (readonly [string, string, string, string, string])[] = [
    ['previous', 'UTC', '2025-03-08', '2025-03-15', '2025-03-01/2025-03-08'],
    ['previous', 'UTC', '2025-03-08T10:00:00Z', '2025-03-08T12:00:00Z', '2025-03-08T08/2025-03-08T10'],
    // Clocks go forward on 30 March: a week before it is one hour longer.
    ['previous', 'Europe/Berlin', '2025-03-30', '2025-04-06', '2025-03-22T23/2025-03-29T23'],
    ['year', 'UTC', '2025-01-01', '2026-01-01', '2024-01-01/2025-01-01'],
    ['year', 'Europe/Berlin', '2025-03-30', '2025-04-06', '2024-03-29T23/2024-04-05T22'],
    ['year', 'UTC', '2024-02-01', '2024-03-01', '2023-02-01/2023-03-01'],
    ['year', 'UTC', '2025-02-01', '2025-03-01', '2024-02-01/2024-03-01'],
    ['year', 'UTC', '2024-02-28', '2024-02-29', '2023-02-28/2023-03-01'],
    ['year', 'UTC', '2024-02-29', '2024-03-01', '2023-02-28/2023-03-01'],
    ['year', 'UTC', '2024-02-29T03:00:00Z', '2024-02-29T05:00:00Z', '2023-02-28T03/2023-02-28T05'],
    // The hour that is skipped on 31 March 2024 has no counterpart.
    ['year', 'Europe/Berlin', '2025-03-31T00:00:00Z', '2025-03-31T01:00:00Z', 'none'],
  ];
  for (const [compare, tz, from, to, expected] of table)
    assert.deepEqual(await earlier({ compare, tz, from, to }), [expected], `${compare} ${tz} ${from}`);
  assert.deepEqual(
    await earlier({
      compare: 'year',
      tz: 'Europe/Berlin',
      from: '2025-03-29',
      to: '2025-04-01',
      interval: 'day',
    }),
    [
      '2024-03-28T23/2024-03-31T22',
      '2024-03-28T23/2024-03-29T23',
      '2024-03-29T23/2024-03-30T23',
      '2024-03-30T23/2024-03-31T22',
    ],
  );
});

test('figures beside are those that a question about the earlier period gets', async () => {
  const view: fc.Arbitrary<View> = fc.record({
    visitor: fc.integer({ min: 0, max: 30 }).map((n) => `cookie:${n}`),
    url: fc.constant(url),
    hour: fc.integer({ min: hour0 - 24 * 40, max: hour0 + 24 * 60 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(view, { maxLength: 80 }),
      fc.array(view, { maxLength: 30 }),
      fc.integer({ min: 0, max: 24 * 30 }),
      fc.integer({ min: 1, max: 24 * 20 }),
      async (old, fresh, start, hours) => {
        const batch = new FakeBatchView(old);
        const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, fresh) });
        const from = hour0 + start;
        const question = { from: show(from), to: show(from + hours), tz: 'Europe/Berlin', interval: 'day' };
        for (const name of ['uniques', 'pageviews'] as const) {
          const {
            compare: total,
            series = [],
            ...data
          } = await dataOf(engine, name, {
            ...question,
            compare: 'previous',
          });
          const plain = await dataOf(engine, name, question);
          const alone = series.map((entry) => ({ ...entry, compare: undefined }));
          const expected = plain.series?.map((entry) => ({ ...entry, compare: undefined }));
          assert.deepEqual({ ...data, series: alone }, { ...plain, series: expected });
          for (const part of [total, ...series.map(({ compare }) => compare)]) {
            if (part === null) continue;
            assert.ok(parseRfc3339(part.to) <= from * hourMs);
            const asked = await dataOf(engine, name, { from: part.from, to: part.to });
            assert.deepEqual([part.visitors, part.pageviews], [asked.visitors, asked.pageviews]);
          }
        }
        engine.generations.close();
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 30) },
  );
});

function crowd(count: number, hour: number): View[] {
  return Array.from({ length: count }, (_, n) => ({ visitor: `v${hour}:${n}`, url, hour: hour0 + hour }));
}

test('overlap says whether the difference may be error alone', async (t) => {
  const of = async (before: number, now: number): Promise<boolean | undefined> => {
    const batch = new FakeBatchView(
      [0, 0, 1, 1].flatMap((hour) => crowd(hour === 0 ? before : now, hour)),
      {
        lgK: 8,
      },
    );
    const engine = engineOver({ batch, realtime: undefined });
    const range = { from: show(hour0 + 1), to: show(hour0 + 2), compare: 'previous' };
    const { compare } = await dataOf(engine, 'uniques', range);
    engine.generations.close();
    return compare?.overlap;
  };
  assert.deepEqual([await of(3, 4), await of(4, 4)], [false, true]); // counted one by one
  assert.deepEqual([await of(2_000, 2_060), await of(2_000, 4_000)], [true, false]);

  const batch = new FakeBatchView([...crowd(2, 0), ...crowd(3, 1)]);
  const server = await serve(t, { batch, realtime: undefined });
  const path = `/v1/pageviews?domain=example.org&from=${show(hour0 + 1)}&to=${show(hour0 + 2)}&compare=previous`;
  assert.match(
    await (await server.get(`${path}&format=csv`)).text(),
    /^from,to,label,pageviews,compareFrom,compareTo,comparePageviews,overlap\r?\n.*,3,2025-03-01T00:00:00.000Z,2025-03-01T01:00:00.000Z,2,false\r?\n$/,
  );
  const early = '/v1/pageviews?domain=example.org&from=1970-01-02&to=1970-02-01&compare=year';
  assert.equal((await server.get(early)).status, 400);
});
