import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hourMs } from '../../lib/time/buckets.js';
import { FakeBatchView, show } from './fakes.js';
import { serve } from './server.js';

const hour0 = Date.UTC(2025, 5, 1) / hourMs;
const batch = new FakeBatchView(
  [0, 0, 5, 5].map((hour, i) => ({ visitor: `u${i}`, url: 'https://www.example.org/', hour: hour0 + hour })),
);

interface Body {
  readonly type: string;
  readonly data: { readonly pageviews: number };
  readonly range: { readonly from: string; readonly to: string };
}

test('align moves edges to buckets, outward or inward, and the answer names the range used', async (t) => {
  const server = await serve(t, { batch, realtime: undefined });
  const edges = 'from=2025-06-01T00:20:00Z&to=2025-06-01T05:40:00Z';
  const used = async (align: string): Promise<unknown> => {
    const response = await server.get(`/v1/pageviews?domain=example.org&${edges}&align=${align}`);
    const { data, range } = (await response.json()) as Body;
    return [data.pageviews, range.from, range.to];
  };
  assert.deepEqual(await used('outward'), [4, show(hour0), show(hour0 + 6)]);
  assert.deepEqual(await used('inward'), [0, show(hour0 + 1), show(hour0 + 5)]);
  const within = 'from=2025-06-01T00:20:00Z&to=2025-06-01T01:40:00Z';
  for (const [query, type] of [
    [`${edges}&align=error`, 'unaligned-range'],
    [`${within}&align=inward`, 'empty-range'],
  ] as const) {
    const refused = await server.get(`/v1/pages?domain=example.org&${query}`);
    assert.equal(refused.status, 422);
    assert.equal(((await refused.json()) as Body).type, `urn:swa:problem:${type}`);
  }
});

test('milliseconds within an hour are aligned, as Grafana sends them, also in answers as rows', async (t) => {
  const server = await serve(t, { batch, realtime: undefined });
  const [from, to] = [hour0 * hourMs + 1_234_567, (hour0 + 2) * hourMs - 1];
  const response = await server.get(
    `/v1/pageviews?domain=example.org&from=${from}&to=${to}&align=outward&interval=hour&format=csv`,
  );
  assert.equal(response.status, 200);
  assert.deepEqual((await response.text()).trim().split(/\r?\n/), [
    'from,to,label,pageviews',
    '2025-06-01T00:00:00.000Z,2025-06-01T01:00:00.000Z,2025-06-01T00:00Z,2',
    '2025-06-01T01:00:00.000Z,2025-06-01T02:00:00.000Z,2025-06-01T01:00Z,0',
  ]);
});
