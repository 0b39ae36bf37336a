/** Query processes that share a bucket follow what is published there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test, type TestContext } from 'node:test';
import { z } from 'zod';
import { assetPath } from '../../lib/files/assets.js';
import { viewIds } from '../../serving/store.js';
import { eventually } from '../../test/eventually.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { S3Store } from '../store/s3-store.js';
import { makeHost } from './shared-store.js';
import { Publisher, home } from './publisher.js';

const answerSchema = z.object({
  data: z.object({ pageviews: z.number() }),
  freshness: z.object({
    generation: z.string(),
    batch: z.object({ cut: z.record(z.string(), z.number()) }),
  }),
});

/** A query process on its own host, and a client that asks it continuously. */
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
    const output: string[] = [];
    this.#url = await new Promise<string>((resolve, reject) => {
      createInterface(child.stderr).on('line', (line) => {
        output.push(line);
        const [, url] = /"url":"(http[^"]+)"/.exec(line) ?? [];
        if (url !== undefined) resolve(url);
      });
      void exited.then(() => reject(new Error(output.join('\n'))));
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

  async keepAsking(counts: ReadonlyMap<string, number>): Promise<void> {
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
      symlinkSync(join(publisher.fixture.dataDir, 'log'), join(dataDir, 'log')); // where Kafka would be
    }
    await Promise.all(hosts.map((host) => host.start(t, env)));
    const asking = hosts.map((host) => host.keepAsking(publisher.counts));
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
