/** 300,000 domains, and 300,000 pages of one more, since the last batch run: lists are answered, and the event loop turns. */
import { widthOf } from '../lib/time/buckets.js';
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ask, type AskInput } from '../query/inquiries.js';
import { FakeBatchView } from '../query/test/fakes.js';
import { engineOver } from '../query/test/server.js';
import { stallLimitMs, watchStalls } from '../query/test/stalls.js';
import { checksumOf } from '../speed/store/cell-codec.js';
import { cellKey } from '../speed/store/cell-key.js';
import { CellSubject } from '../speed/store/cell-subject.js';
import { storeDir } from '../speed/store/layout.js';
import { openDatabase } from '../speed/store/store-files.js';
import { hour0, pageview } from '../speed/test/facts.js';
import { Harness, genesis } from '../speed/test/harness.js';

const { show } = widthOf(60);

const count = 300_000;

/** A realtime store with one fact, to which cells are added as if there had been more. */
async function largeStore(t: TestContext): Promise<Harness> {
  const harness = new Harness(t, 1);
  harness.start();
  await harness.append(pageview('cookie:1', 'https://large.example/0'));
  await harness.untilCaughtUp(genesis);
  await harness.stop();
  const db = openDatabase(storeDir(harness.dataDir, genesis, 'pageviews/0'));
  const domain = CellSubject.domain('large.example');
  const cell = Buffer.from(db.get(cellKey(domain, hour0)) ?? []);
  await db.transaction(() => {
    for (let i = 0; i < count; i++) {
      void db.put(cellKey(CellSubject.domain(`shop-${i.toString(36)}.example`), hour0), cell);
      void db.put(cellKey(new CellSubject('page', `https://large.example/${i}`, domain.name), hour0), cell);
    }
    void db.put(cellKey(domain, hour0), withPageviews(cell, count));
  });
  await db.close();
  return harness;
}

function withPageviews(cell: Buffer, pageviews: number): Buffer {
  const bytes = new Uint8Array(cell);
  const words = new Uint32Array(bytes.buffer);
  new DataView(bytes.buffer).setFloat64(8, pageviews, true);
  words[1] = checksumOf(words, 2, words.length);
  return Buffer.from(bytes.buffer);
}

test('lists of what is new since the last run are lazy, in order, and hold nobody up', async (t) => {
  const harness = await largeStore(t);
  const batch = new FakeBatchView([{ visitor: 'v', url: 'https://large.example/zero', hour: hour0 - 48 }]);
  t.mock.method(batch, 'pages', function* () {
    yield { url: 'https://large.example/zero', pageviews: 1 };
    for (let i = 0; i < count; i++) yield { url: `https://large.example/zz${i}`, pageviews: 1 };
  });
  Object.assign(batch, { meta: { ...batch.meta, id: genesis } });
  const engine = engineOver({
    batch,
    get realtime() {
      return harness.realtime.snapshot();
    },
  });
  t.after(() => engine.generations.close());
  const asked = async (name: string, input: AskInput) => {
    const before = process.cpuUsage();
    const watch = watchStalls();
    const { data } = (await ask(engine, name, input)).body;
    const stalledMs = watch.end();
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1_000;
    const shown = `${name} ${JSON.stringify(input)}: ${Math.round(cpuMs)} ms of CPU time, ${Math.round(stalledMs)} at once`;
    t.diagnostic(shown);
    assert.ok(stalledMs < stallLimitMs, shown);
    return { data, cpuMs };
  };
  await ask(engine, 'domains', { limit: '1' }); // what the first question of a kind makes once
  const names = Array.from({ length: count }, (_, i) => `shop-${i.toString(36)}.example`);
  const all = ['large.example', ...names].toSorted();
  const first = await asked('domains', { limit: '10' });
  const { next, ...firstTen } = first.data;
  assert.deepEqual(firstTen, { domains: all.slice(0, 10), more: true });
  assert.equal(typeof next, 'string');
  assert.ok(first.cpuMs < 200, `ten domains took ${first.cpuMs} ms of CPU time`);
  const found = await asked('domains', { contains: 'zzz', limit: '1000' });
  assert.deepEqual(found.data, { domains: all.filter((name) => name.includes('zzz')), more: false });
  const range = { from: show(hour0), to: show(hour0 + 1) };
  const { data } = await asked('pages', { domain: 'large.example', ...range, limit: '3' });
  assert.deepEqual(
    (data['pages'] as { url: string; pageviews: number }[]).map(({ url, pageviews }) => [url, pageviews]),
    [0, 1, 10].map((i) => [`https://large.example/${i}`, 1]),
  );
});
