/** What answers say of their freshness: how complete they are, and why they are not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { Gap } from '../../facts/views/view.js';
import { hourMs } from '../../lib/time/buckets.js';
import { distance, reaches } from '../../log/cut.js';
import { offset, type Cut, type PartitionName } from '../../log/log.js';
import { freshnessSchema, type Freshness } from '../bodies.js';
import type { Lag } from '../engine/lag.js';
import { FakeBatchView, FakeRealtimeView, show } from './fakes.js';
import { serve, type Layers } from './server.js';

const hour0 = Date.UTC(2025, 5, 1) / hourMs;
const page = 'https://www.example.org/a';
const encoded = encodeURIComponent(page);
const range = `from=${show(hour0)}&to=${show(hour0 + 48)}`;
const bodySchema = z.object({ freshness: freshnessSchema });
const pageviewsSchema = bodySchema.extend({ data: z.object({ pageviews: z.number() }) });

const at = (hour: number) => ({ visitor: 'u1', url: page, hour: hour0 + hour });

function layersOf(gaps: readonly Gap[] = []): Layers & { readonly realtime: FakeRealtimeView } {
  const batch = new FakeBatchView([at(0), at(5)], { gaps });
  return { batch, realtime: new FakeRealtimeView(batch, [at(31)]) };
}

const freshnessOf = async (response: Response): Promise<Freshness> =>
  bodySchema.parse(await response.json()).freshness;

test('the bounce rate names the batch cut only, and is complete when that is', async (t) => {
  const layers = layersOf();
  let end = layers.realtime.cut;
  const lagOf = (cut: Cut): Lag =>
    reaches(cut.next, end.next)
      ? { records: 0, throughAgoMs: 0, unreadRecords: 0 }
      : { records: distance(cut.next, end.next), throughAgoMs: undefined, unreadRecords: 0 };
  const server = await serve(t, { ...layers, lag: { lagOf } });
  const bounce = `/v1/bounce-rate?domain=example.org&${range}`;
  const behind = await freshnessOf(await server.get(bounce));
  assert.deepEqual([behind.realtime, behind.complete], [null, false]);
  assert.equal((await freshnessOf(await server.get(`/v1/pageviews?url=${encoded}&${range}`))).complete, true);
  end = layers.batch.meta.cut;
  assert.equal((await freshnessOf(await server.get(bounce))).complete, true);
});

test('facts that were lost make answers incomplete whose range they may belong to; a lost edge, all', async (t) => {
  const acceptedAt = (hour0 + 24) * hourMs - 60_000;
  const gapOf = (partition: PartitionName, from: number, to: number): Gap => ({
    partition,
    fromOffset: offset(from),
    toOffset: offset(to),
    acceptedAt,
  });
  const atEnd = { lagOf: (): Lag => ({ records: 0, throughAgoMs: 0, unreadRecords: 0 }) };
  const ask = async (gaps: readonly Gap[], from: number): Promise<unknown[]> => {
    const server = await serve(t, { ...layersOf(gaps), lag: atEnd });
    const until = `to=${show(hour0 + 48)}`;
    const paths = [`/v1/uniques?url=${encoded}&from=${show(from)}&${until}`, '/v1/persons/u1'];
    const found = [];
    for (const path of paths) {
      const { complete, incompleteReason, skippedOffsets } = await freshnessOf(await server.get(path));
      assert.equal(complete, incompleteReason === null);
      found.push([incompleteReason, skippedOffsets]);
    }
    return found;
  };
  const pageviewsLost = [gapOf('pageviews/0', 0, 3), gapOf('pageviews/0', 5, 6)];
  assert.deepEqual(await ask([], hour0), [[null, 0], [null, 0]]); // prettier-ignore
  assert.deepEqual(await ask(pageviewsLost, hour0), [['lost-facts', 4], ['lost-facts', 4]]); // prettier-ignore
  // A fact may be timed up to five minutes after it came.
  assert.deepEqual((await ask(pageviewsLost, hour0 + 24))[0], ['lost-facts', 4]);
  assert.deepEqual((await ask(pageviewsLost, hour0 + 25))[0], [null, 0]);
  assert.deepEqual((await ask([gapOf('equivs/0', 2, 4)], hour0 + 25))[0], ['lost-facts', 2]);
});

test('records in partitions that nobody reads make every answer incomplete, also one that was asked for before', async (t) => {
  const layers = layersOf();
  let unreadRecords = 0;
  const lag = { lagOf: (): Lag => ({ records: 0, throughAgoMs: 0, unreadRecords }) };
  const server = await serve(t, { ...layers, lag });
  const path = `/v1/pageviews?url=${encoded}&${range}`;
  const whole = await server.get(path);
  assert.equal((await freshnessOf(whole)).complete, true);
  const again = { 'if-none-match': whole.headers.get('etag') ?? '' };
  assert.equal((await server.get(path, again)).status, 304);
  unreadRecords = 3;
  const freshness = await freshnessOf(await server.get(path, again));
  assert.deepEqual(
    [freshness.complete, freshness.incompleteReason, freshness.unreadRecords],
    [false, 'unread-partitions', 3],
  );
});

test('a batch view made by other rules answers alone, and says why it is incomplete', async (t) => {
  const layers = layersOf();
  const path = `/v1/pageviews?url=${encoded}&${range}`;
  const atEnd = { lagOf: (): Lag => ({ records: 0, throughAgoMs: 0, unreadRecords: 0 }) };
  const usual = await serve(t, { ...layers, lag: atEnd });
  const merged = await usual.get(path);
  const { data, freshness } = pageviewsSchema.parse(await merged.json());
  assert.deepEqual([freshness.complete, freshness.incompleteReason], [true, null]);

  for (const [name, version] of Object.entries(layers.batch.meta.rules)) {
    const rules = { ...layers.batch.meta.rules, [name]: `${version}+` };
    const server = await serve(t, { ...layers, lag: atEnd, rules });
    const response = await server.get(path);
    const alone = pageviewsSchema.parse(await response.json());
    assert.ok(alone.data.pageviews < data.pageviews, name);
    assert.deepEqual(
      [alone.freshness.realtime, alone.freshness.complete, alone.freshness.incompleteReason],
      [null, false, 'other-rules'],
    );
    assert.notEqual(response.headers.get('etag'), merged.headers.get('etag'));
    const bounce = await server.get(`/v1/bounce-rate?domain=example.org&${range}`);
    assert.equal((await freshnessOf(bounce)).incompleteReason, 'other-rules');
  }
});
