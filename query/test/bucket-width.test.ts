/** Questions to data directories whose base buckets are shorter than hours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { widthOf, type BucketMinutes } from '../../lib/time/buckets.js';
import { FakeBatchView, FakeRealtimeView } from './fakes.js';
import { serve, type TestServer } from './server.js';

const page = 'https://www.example.org/a';
const encoded = encodeURIComponent(page);

type Body = Record<string, unknown> & { data: Record<string, unknown> };

async function json(response: Response): Promise<Body> {
  return (await response.json()) as Body;
}

test('a directory of 15 or 30 minutes answers what an hourly one refuses, and one that does not fit is refused with what would', async (t) => {
  const of = async (bucketMinutes: BucketMinutes): Promise<TestServer> => {
    const width = widthOf(bucketMinutes);
    const first = width.at(Date.UTC(2025, 5, 1, 0, 15));
    const seen = [0, 1, 2, 3, 4].map((i) => ({ visitor: `v${i}`, url: page, hour: first + i }));
    const batch = new FakeBatchView(seen.slice(0, 3), { bucketMinutes });
    return serve(t, { batch, realtime: new FakeRealtimeView(batch, seen.slice(3)) });
  };
  const [hours, halves, quarters] = [await of(60), await of(30), await of(15)];
  const url = `url=${encoded}`;
  const kathmandu = `/v1/uniques?${url}&from=2025-06-01T06:00%2B05:45&to=2025-06-01T08:00%2B05:45&tz=Asia/Kathmandu&interval=hour`;
  const answer = await json(await quarters.get(kathmandu));
  assert.deepEqual(answer['range'], {
    from: '2025-06-01T00:15:00Z',
    to: '2025-06-01T02:15:00Z',
    hours: 2,
    bucketMinutes: 15,
    tz: new Intl.DateTimeFormat('en', { timeZone: 'Asia/Kathmandu' }).resolvedOptions().timeZone, // ICUs spell it differently
    interval: 'hour',
  });
  const { series } = answer.data as unknown as { series: { label: string; visitors: number }[] };
  assert.deepEqual(
    series.map(({ label, visitors }) => [label, visitors]),
    [
      ['2025-06-01T06:00+05:45', 4],
      ['2025-06-01T07:00+05:45', 1],
    ],
  );
  const explained = await json(
    await quarters.get(`/v1/uniques?${url}&from=2025-05-31T23:45Z&to=2025-06-02T00:15Z&explain=1`),
  );
  const { cover } = explained['explain'] as { cover: { span: string; buckets: number }[] };
  assert.deepEqual(
    cover.map(({ span, buckets }) => [span, buckets]),
    [
      ['quarter-hour', 1],
      ['day', 1],
      ['quarter-hour', 1],
    ],
  );
  const refusedWith = async (server: TestServer, path: string): Promise<unknown[]> => {
    const problem = await json(await server.get(path));
    assert.match(
      String(problem['detail']),
      new RegExp(`SWA_BUCKET_MINUTES=${String(problem['bucketMinutes'])}`),
    );
    return [problem['type'], problem['bucketMinutes']];
  };
  assert.deepEqual(await refusedWith(hours, kathmandu), ['urn:swa:problem:unaligned-range', 15]);
  const day = `/v1/uniques?${url}&from=2025-06-01T00:00Z&to=2025-06-02T00:00Z&interval=day`;
  const zone = 'urn:swa:problem:unsupported-time-zone';
  assert.deepEqual(await refusedWith(hours, `${day}&tz=Asia/Kolkata`), [zone, 30]);
  assert.deepEqual(await refusedWith(halves, `${day}&tz=Asia/Kathmandu`), [zone, 15]);
  assert.equal((await halves.get(`${day}&tz=Asia/Kolkata`)).status, 200);
  const half = `/v1/uniques?${url}&from=2025-06-01T00:30Z&to=2025-06-01T02:00Z`;
  assert.deepEqual(await refusedWith(hours, half), ['urn:swa:problem:unaligned-range', 30]);
  assert.equal((await halves.get(half)).status, 200);
});

test('a batch view of other buckets than the data directory has is not read: 503 until the next run', async (t) => {
  const batch = new FakeBatchView([], { bucketMinutes: 15 });
  const server = await serve(t, { batch, realtime: undefined, width: widthOf(60) });
  const response = await server.get(`/v1/uniques?url=${encoded}&from=2025-06-01&to=2025-06-02`);
  assert.equal(response.status, 503);
  assert.match(
    String((await json(response))['detail']),
    /has buckets of 15 minutes, but SWA_BUCKET_MINUTES is 60/,
  );
});
