import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dimensions } from '../../facts/subjects.js';
import { ask, type AskInput } from '../inquiries.js';
import { FakeBatchView, FakeRealtimeView, show, type View } from './fakes.js';
import { engineOver, serve } from './server.js';

const hour0 = 480_000;
const by = dimensions[0]?.name ?? '';
const urls = ['https://example.org/', 'https://example.org/x'];
const range = { from: show(hour0), to: show(hour0 + 40) };

const viewArbitrary: fc.Arbitrary<View> = fc.record({
  visitor: fc.integer({ min: 0, max: 20 }).map((n) => `cookie:${n}`),
  url: fc.constantFrom(...urls),
  hour: fc.integer({ min: hour0, max: hour0 + 39 }),
  values: fc.constantFrom('direct', 'a.example').map((value) => ({ [by]: value })),
});

interface Said {
  readonly layer?: string;
  readonly freshness: { readonly complete: boolean; readonly incompleteReason: string | null };
  readonly data: {
    readonly visitors: number;
    readonly pageviews: number;
    readonly emptyReason?: string;
    readonly pages: readonly { readonly url: string; readonly pageviews: number }[];
    readonly values: readonly { readonly value: string; readonly visitors: number }[];
  };
}

test('each layer alone counts its own facts, and pageviews of both add up to the whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(viewArbitrary, { maxLength: 60 }),
      fc.array(viewArbitrary, { maxLength: 30 }),
      async (old, fresh) => {
        const batch = new FakeBatchView(old);
        const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, fresh) });
        const said = async (name: string, input: AskInput): Promise<Said> =>
          (await ask(engine, name, { domain: 'example.org', ...range, ...input })).body as unknown as Said;
        for (const [layer, views] of [
          ['batch', old],
          ['realtime', fresh],
        ] as const) {
          const people = await said('uniques', { layer });
          assert.equal(people.data.visitors, new Set(views.map(({ visitor }) => visitor)).size);
          assert.equal(people.layer, layer);
          assert.deepEqual(
            [people.freshness.complete, people.freshness.incompleteReason],
            [false, 'one-layer'],
          );
          assert.equal(people.data.emptyReason, views.length === 0 ? 'nothing-in-layer' : undefined);
          const { data } = await said('pages', { layer });
          for (const url of urls) {
            const listed = data.pages.find((page) => page.url === url)?.pageviews ?? 0;
            assert.equal(listed, views.filter((view) => view.url === url).length);
          }
          const { values } = (await said('breakdown', { layer, by })).data;
          assert.equal(values.length, new Set(views.map((view) => view.values?.[by])).size);
        }
        const pageviews = async (input: AskInput): Promise<number> =>
          (await said('pageviews', input)).data.pageviews;
        assert.equal(
          (await pageviews({ layer: 'batch' })) + (await pageviews({ layer: 'realtime' })),
          await pageviews({}),
        );
        assert.equal((await said('pageviews', {})).layer, undefined);
        engine.generations.close();
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 50) },
  );
});

test('a login after the cut joins people of the realtime layer, and leaves the batch layer as it was', async () => {
  const views = ['a', 'b'].map((visitor) => ({ visitor, url: urls[0] ?? '', hour: hour0 }));
  const batch = new FakeBatchView(views);
  const edges = [{ type: 'equiv' as const, a: 'a', b: 'b', timestamp: 0, eventId: '1', offset: 0 as never }];
  const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, views, { edges }) });
  const visitors = async (input: AskInput): Promise<unknown> =>
    (await ask(engine, 'uniques', { domain: 'example.org', ...range, ...input })).body.data['visitors'];
  assert.deepEqual(
    [await visitors({ layer: 'batch' }), await visitors({ layer: 'realtime' }), await visitors({})],
    [2, 1, 1],
  );
  engine.generations.close();
});

test('rows name their layer; a realtime layer that does not serve is not answered as zero', async (t) => {
  const batch = new FakeBatchView([{ visitor: 'a', url: urls[0] ?? '', hour: hour0 }]);
  const layers = { batch, realtime: undefined };
  const server = await serve(t, layers);
  const path = `/v1/pageviews?domain=example.org&from=${range.from}&to=${range.to}`;
  const csv = await server.get(`${path}&layer=batch&format=csv`);
  assert.match(await csv.text(), /^from,to,label,pageviews,layer\r?\n.*,1,batch\r?\n$/);
  const without = await server.get(`${path}&layer=realtime`);
  assert.equal(without.status, 503);
  assert.match(((await without.json()) as { type: string }).type, /not-ready$/);
  assert.equal((await server.get(`${path}&layer=both`)).status, 400);
});
