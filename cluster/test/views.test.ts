/** Batch views in a store: published once for all hosts, fetched and checked by each, rolled back, removed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test, type TestContext } from 'node:test';
import { z } from 'zod';
import { runBatch } from '../../batch/run.js';
import { assetPath } from '../../lib/files/assets.js';
import { hasCode } from '../../lib/errors/errors.js';
import type { ViewId, ViewMeta } from '../../facts/views/view.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { makeHouse, pageview, type House } from '../../master-data/test/house.js';
import { currentIfAny } from '../../serving/current.js';
import { viewPath } from '../../serving/layout.js';
import { checkSeals, openView, viewIds } from '../../serving/store.js';
import { eventually } from '../../test/eventually.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { S3Store } from '../store/s3-store.js';
import { listAll, type Store } from '../store/store.js';
import { BucketViews, type BucketViewsOptions } from '../views/bucket-views.js';
import { makeHost, makeStore } from './house.js';

const home = 'https://example.com/page/0';

class Publisher {
  readonly house: House;
  readonly views: BucketViews;
  /** Pageviews of the home page in each view. */
  readonly counts = new Map<string, number>();
  #facts = 0;

  private constructor(house: House, store: Store, change: Partial<BucketViewsOptions>) {
    this.house = house;
    this.views = viewsOf(house.dataDir, store, change);
  }

  static async make(
    t: TestContext,
    store: Store,
    change: Partial<BucketViewsOptions> = {},
  ): Promise<Publisher> {
    return new Publisher(
      await makeHouse(t, { partitions: 1, batchThreads: 1, batchMemory: '512MB' }),
      store,
      change,
    );
  }

  /** A view that counts so many more pageviews of the home page; not published to other hosts. */
  async build(more: number): Promise<ViewMeta> {
    const { house } = this;
    const { config, clock } = house.context;
    await house.append(
      Array.from({ length: more }, () =>
        pageview(this.#facts++, { url: home, timestamp: 1_700_000_000_000 }),
      ),
    );
    await drainLogToMaster(house.context, { log: house.log });
    const meta = await runBatch({ config, clock, trigger: 'command' });
    this.counts.set(meta.id, this.#facts);
    return meta;
  }

  async publish(more: number): Promise<ViewMeta> {
    const meta = await this.build(more);
    await this.views.publish(meta);
    return meta;
  }
}

function viewsOf(dataDir: string, store: Store, change: Partial<BucketViewsOptions> = {}): BucketViews {
  return new BucketViews({ dataDir, store, keep: 3, clock: Date.now, ...change });
}

test('an empty host has the view that serves, follows, and lets old ones go', async (t) => {
  const store = makeStore();
  let now = Date.now();
  const publisher = await Publisher.make(t, store, { clock: () => now });
  const { dataDir } = makeHost(store);
  const views = viewsOf(dataDir, store);
  assert.equal(await views.follow(), undefined);
  const published: ViewId[] = [];
  for (let i = 0; i < 5; i++) {
    published.push((await publisher.publish(3)).id);
    assert.equal(await views.follow(), published.at(-1));
    assert.equal(currentIfAny(dataDir), published.at(-1));
    assert.equal(await views.follow(), published.at(-1));
  }
  for (const id of viewIds(dataDir)) await checkSeals(viewPath(dataDir, id));
  assert.deepEqual(viewIds(dataDir), published.slice(-3));
  const stored = async (): Promise<string[]> => [
    ...new Set((await listAll(store, 'views/')).map(({ key }) => key.split('/')[1] ?? '')),
  ];
  assert.deepEqual(await stored(), published);
  now += 2 * 3_600_000;
  published.push((await publisher.publish(3)).id);
  assert.deepEqual(await stored(), published.slice(-3));

  // Back for all hosts, also from one that has no view yet.
  const third = makeHost(store);
  const back = await viewsOf(third.dataDir, store).rollBack();
  assert.equal(back.id, published.at(-2));
  assert.equal(await views.follow(), back.id);
  assert.equal(await publisher.views.follow(), back.id);
  assert.equal(currentIfAny(third.dataDir), back.id);
  await assert.rejects(views.rollBack('v000001-00000000' as ViewId), {
    code: 'store.corrupt',
    message: /is missing/,
  });
});

test('a view that lacks facts of the one that serves is not published', async (t) => {
  const store = makeStore();
  const publisher = await Publisher.make(t, store);
  const first = await publisher.build(3);
  const second = await publisher.build(3);
  await publisher.views.publish(second);
  await assert.rejects(publisher.views.publish(first), {
    code: 'view.refused',
    message: /has facts that it has not/,
  });
  assert.equal(await viewsOf(makeHost(store).dataDir, store).follow(), second.id);
  await publisher.views.publish(second);
});

test('a flipped byte in the store is refused and named, and the view before goes on', async (t) => {
  const store = makeStore();
  const publisher = await Publisher.make(t, store);
  const first = await publisher.publish(3);
  const { dataDir } = makeHost(store);
  const views = viewsOf(dataDir, store);
  await views.follow();
  const second = await publisher.publish(3);
  for (const { key } of await listAll(store, `views/${second.id}/`)) {
    const object = (await store.get(key)) ?? assert.fail();
    if (object.sizeBytes === 0) continue;
    const flipped = Buffer.from(object.bytes);
    const at = Math.floor(flipped.length / 2);
    flipped[at] = (flipped[at] ?? 0) ^ 8;
    const etag = (await store.putIfMatch(key, flipped, object.etag)) ?? assert.fail();
    await assert.rejects(views.follow(), (error) => {
      assert.ok(hasCode(error, 'store.corrupt'), String(error));
      assert.ok(error.message.includes(`${store.url}/${key}`), error.message);
      return true;
    });
    assert.equal(currentIfAny(dataDir), first.id);
    openView(dataDir, first.id).close();
    assert.deepEqual(viewIds(dataDir), [first.id]);
    await store.putIfMatch(key, object.bytes, etag);
  }
  assert.equal(await views.follow(), second.id);
  assert.deepEqual(readdirSync(join(dataDir, 'serving', 'fetching')), []);
});

const answerSchema = z.object({
  data: z.object({ pageviews: z.number() }),
  freshness: z.object({
    generation: z.string(),
    batch: z.object({ cut: z.record(z.string(), z.number()) }),
  }),
});

/** A query process on a host of its own, and a client that asks it without end. */
class QueryHost {
  readonly dataDir: string;
  readonly problems: string[] = [];
  readonly seen = new Set<string>();
  answers = 0;
  #url = '';
  #cut = -1;
  #asking = true;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  async start(t: TestContext, env: Record<string, string>): Promise<void> {
    const child = spawn(process.execPath, [assetPath('bin/swa'), 'query'], {
      env: {
        ...env,
        PATH: process.env['PATH'],
        SWA_DATA_DIR: this.dataDir,
        SWA_HTTP_PORT: '0',
        SWA_PARTITIONS: '1',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    t.after(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    const said: string[] = [];
    this.#url = await new Promise<string>((resolve, reject) => {
      createInterface(child.stderr).on('line', (line) => {
        said.push(line);
        const [, url] = /"url":"(http[^"]+)"/.exec(line) ?? [];
        if (url !== undefined) resolve(url);
      });
      void exited.then(() => reject(new Error(said.join('\n'))));
    });
  }

  async ask(counts: ReadonlyMap<string, number>, mayGoBack = false): Promise<string> {
    const range = 'from=2023-11-14T00:00:00Z&to=2023-11-15T00:00:00Z';
    const reply = await fetch(`${this.#url}/v1/pageviews?url=${encodeURIComponent(home)}&${range}`);
    const text = await reply.text();
    if (!reply.ok) {
      this.problems.push(`HTTP ${reply.status}: ${text}`);
      return '';
    }
    const { data, freshness } = answerSchema.parse(JSON.parse(text));
    const { generation } = freshness;
    const cut = freshness.batch.cut['pageviews/0'] ?? -1;
    if (data.pageviews !== counts.get(generation) || cut !== data.pageviews)
      this.problems.push(`${generation} has ${counts.get(generation)}, answered ${data.pageviews} at ${cut}`);
    if (cut < this.#cut && !mayGoBack) this.problems.push(`the cut went back from ${this.#cut} to ${cut}`);
    this.#cut = cut;
    this.answers++;
    this.seen.add(generation);
    return generation;
  }

  async askOn(counts: ReadonlyMap<string, number>): Promise<void> {
    while (this.#asking) {
      await this.ask(counts);
      await sleep(2);
    }
  }

  stop(): void {
    this.#asking = false;
  }
}

describe('query processes that have a bucket in common and nothing else', { skip: skipS3 }, () => {
  let server: TestServer;
  before(async () => {
    server = await startMoto();
    await server.makeBucket('views');
  });
  after(() => server.close());

  test('follow 20 publications under load: no failed answer, no mixed one, no cut that goes back', async (t) => {
    const { endpoint } = server;
    const store = new S3Store({ bucket: 'views', prefix: 'live', endpoint, region: 'us-east-1' });
    t.after(() => store.close());
    const publisher = await Publisher.make(t, store);
    await publisher.publish(2);
    const env = {
      SWA_STORE: 's3://views/live',
      SWA_STORE_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
    const hosts = [makeHost(store), makeHost(store)].map(({ dataDir }) => new QueryHost(dataDir));
    for (const { dataDir } of hosts) {
      rmSync(join(dataDir, 'log'), { recursive: true });
      symlinkSync(join(publisher.house.dataDir, 'log'), join(dataDir, 'log')); // where Kafka would be
    }
    await Promise.all(hosts.map((host) => host.start(t, env)));
    const asking = hosts.map((host) => host.askOn(publisher.counts));
    let last = '';
    for (let i = 0; i < 20; i++) last = (await publisher.publish(1 + i)).id;
    for (const host of hosts) await eventually('the last view', async () => host.seen.has(last) || undefined);
    for (const host of hosts) host.stop();
    await Promise.all(asking);
    for (const host of hosts) {
      assert.deepEqual(host.problems, []);
      assert.ok(
        host.seen.size >= 5 && host.answers > 100,
        `${host.seen.size} views in ${host.answers} answers`,
      );
      t.diagnostic(`${host.answers} answers from ${host.seen.size} views`);
    }
    const back = await publisher.views.rollBack();
    for (const host of hosts) {
      await eventually(
        'the view rolled back to',
        async () => (await host.ask(publisher.counts, true)) === back.id || undefined,
      );
      assert.ok(viewIds(host.dataDir).length <= 4);
      assert.equal(existsSync(join(host.dataDir, 'master', 'root.json')), false);
    }
  });
});
