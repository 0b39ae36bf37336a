/** The realtime view over HTTP: a query process on another host reads the same as one beside the stores. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { SwaError } from '../../lib/errors/errors.js';
import { offset, type LogId, type PartitionName } from '../../log/log.js';
import type {
  BucketCell,
  EdgeBlock,
  LocalRealtimeView,
  RealtimeView,
  Subject,
  ViewId,
} from '../../facts/views/view.js';
import { HllUnion } from 'hyperloglog-ts';
import { equiv, hour0, pageview, time0 } from '../../speed/test/facts.js';
import { Harness, genesis, lgK } from '../../speed/test/harness.js';
import { lcg } from '../../test/random.js';
import { RemoteRealtime, type Workers } from '../realtime/remote-realtime.js';
import { RealtimeServer } from '../realtime/server.js';
import { WorkerClient } from '../realtime/worker-client.js';

const secret = 'a secret of these tests';
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** Two workers' endpoints over the stores of one directory, each for some of the partitions. */
class TwoWorkers implements Workers {
  readonly harness: Harness;
  readonly servers: RealtimeServer[] = [];
  /** Partitions by server. */
  readonly held: PartitionName[][];
  generation: ViewId = genesis;

  constructor(harness: Harness) {
    this.harness = harness;
    const { partitions } = harness.log;
    this.held = [0, 1].map((own) => partitions.filter((_, i) => i % 2 === own));
  }

  async start(t: TestContext): Promise<void> {
    for (const own of [0, 1]) {
      const server = await RealtimeServer.start({
        dataDir: this.harness.dataDir,
        host: '127.0.0.1',
        port: 0,
        secret,
        lgK,
        logger: { warn: (problem: unknown) => assert.fail(String(problem)) },
        holds: (_, partition) => this.held[own]?.includes(partition) === true,
        state: () => ({ stores: [] }),
      });
      this.servers.push(server);
      t.after(() => server.close());
    }
  }

  serving() {
    return { generation: this.generation, partitions: this.harness.log.partitions };
  }

  holders(_: ViewId, partition: PartitionName): WorkerClient[] {
    return this.servers.flatMap(({ port }, i) =>
      this.held[i]?.includes(partition) === true
        ? [new WorkerClient(`http://127.0.0.1:${port}`, secret)]
        : [],
    );
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }
}

async function two(
  t: TestContext,
): Promise<{ harness: Harness; workers: TwoWorkers; remote: RemoteRealtime }> {
  const harness = new Harness(t, 4);
  const workers = new TwoWorkers(harness);
  await workers.start(t);
  return { harness, workers, remote: new RemoteRealtime(workers, { patienceMs: 200 }) };
}

/** Pageviews and registers of each hour. */
async function hoursOf(view: RealtimeView, subject: Subject): Promise<Map<number, [number, string]>> {
  const hours = new Map<number, { pageviews: number; union: HllUnion }>();
  const add = (cell: BucketCell): void => {
    const hour = hours.get(cell.bucket) ?? { pageviews: 0, union: new HllUnion({ lgK }) };
    hour.pageviews += cell.pageviews;
    cell.addTo(hour.union);
    hours.set(cell.bucket, hour);
  };
  await view.forEachBucket(subject, 0, 2 ** 31, add);
  return new Map(
    [...hours].map(([hour, { pageviews, union }]) => [
      hour,
      [pageviews, Buffer.from(union.toSketch().toBytes()).toString('base64')],
    ]),
  );
}

async function listOf<T>(read: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of read) all.push(each);
  return all;
}

function edgesOf(blocks: readonly EdgeBlock[]): string[] {
  return blocks.map((block) => JSON.stringify([block.partition, block.next, block.edges])).toSorted();
}

async function assertSame(remote: RealtimeView, local: LocalRealtimeView): Promise<number> {
  const { generation, cut, lastReceivedAt, deadLetters } = local;
  assert.deepEqual(
    [remote.generation, remote.cut.logId, { ...remote.cut.next }, remote.lastReceivedAt, remote.deadLetters],
    [generation, cut.logId, { ...cut.next }, lastReceivedAt, deadLetters],
  );
  assert.deepEqual(
    [remote.equivsAfterBatchCut, remote.retractionsAfterBatchCut, remote.exclusionsAfterBatchCut],
    [local.equivsAfterBatchCut, local.retractionsAfterBatchCut, local.exclusionsAfterBatchCut],
  );
  assert.deepEqual(edgesOf(await listOf(remote.edges())), edgesOf([...local.edges()]));
  const domains = [...local.domains()];
  assert.deepEqual(await listOf(remote.domains()), domains);
  const subjects: Subject[] = [];
  for (const domain of domains) {
    const pages = [...local.pages(domain, 0, 2 ** 31)].flat();
    assert.deepEqual(
      new Set(
        (await listOf(remote.pages(domain, 0, 2 ** 31)))
          .flat()
          .map(({ url, pageviews }) => `${url} ${pageviews}`),
      ),
      new Set(pages.map(({ url, pageviews }) => `${url} ${pageviews}`)),
    );
    const values = [...local.values('source', domain, 0, 2 ** 31)].flat();
    const count = new Map<string, number>();
    for (const { value, pageviews } of (await listOf(remote.values('source', domain, 0, 2 ** 31))).flat())
      count.set(value, (count.get(value) ?? 0) + pageviews);
    for (const { value, pageviews } of values) count.set(value, (count.get(value) ?? 0) - pageviews);
    assert.ok([...count.values()].every((rest) => rest === 0));
    subjects.push({ kind: 'domain', domain }, ...pages.map(({ url }): Subject => ({ kind: 'page', url })));
    subjects.push(
      ...[...count.keys()].map((value): Subject => ({ kind: 'value', dimension: 'source', domain, value })),
    );
  }
  for (const subject of subjects) {
    const expected = await hoursOf(local, subject);
    assert.ok(expected.size > 0);
    assert.deepEqual(await hoursOf(remote, subject), expected, JSON.stringify(subject));
  }
  await remote.prefetch?.(subjects, hour0, hour0 + 2);
  return subjects.length;
}

test(`two workers asked over HTTP: cells, listings, edges and cut are those of the local read (seed ${seed})`, async (t) => {
  const { harness, remote } = await two(t);
  const random = lcg(seed);
  const upTo = (limit: number): number => Math.floor(random() * limit);
  harness.start();
  for (let round = 0; round < 3; round++) {
    await harness.append(
      ...Array.from({ length: 1_500 }, () =>
        pageview(`cookie:${upTo(4_000)}`, `https://${upTo(3)}.example/${Math.min(upTo(40), upTo(40))}`, {
          timestamp: time0 + upTo(30) * 3_600_000,
          referrer: `https://${upTo(9)}.search.example/`,
        }),
      ),
      ...Array.from({ length: 60 }, (_, i) => equiv(`cookie:${upTo(4_000)}`, `user:${round}-${i}`)),
    );
    await harness.untilCaughtUp(genesis);
    const [there, here] = [await remote.snapshot(), harness.snapshot()];
    assert.ok(there !== undefined && here !== undefined);
    const subjects = await assertSame(there, here);
    assert.ok(subjects > 50);
    assert.ok((await assertSame(there, here)) === subjects, 'and once more, from what was fetched ahead');
    there.release();
    here.release();
  }
});

test('a snapshot does not change while facts arrive, and a released one is gone', async (t) => {
  const { harness, remote } = await two(t);
  harness.start();
  await harness.append(pageview('cookie:1', 'https://a.example/'));
  await harness.untilCaughtUp(genesis);
  const before = await remote.snapshot();
  assert.ok(before !== undefined);
  await harness.append(pageview('cookie:2', 'https://a.example/'));
  await harness.untilCaughtUp(genesis);
  const page: Subject = { kind: 'page', url: 'https://a.example/' };
  assert.equal((await hoursOf(before, page)).get(hour0)?.[0], 1);
  before.release();
  const domain: Subject = { kind: 'domain', domain: 'a.example' };
  const deadline = performance.now() + 20_000;
  for (;;) {
    assert.ok(performance.now() < deadline, 'it is never given back');
    try {
      await before.forEachBucket(domain, hour0, hour0 + 1 + Math.random() / 2, () => undefined);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'realtime.gone');
      break;
    }
  }
  const after = await remote.snapshot();
  assert.ok(after !== undefined);
  assert.equal((await hoursOf(after, page)).get(hour0)?.[0], 2);
  after.release();
});

test('prefetched cells are read in parts, as for a series, without another request', async (t) => {
  const { harness, workers, remote } = await two(t);
  harness.start();
  await harness.append(pageview('cookie:1', 'https://a.example/'));
  await harness.untilCaughtUp(genesis);
  const snapshot = await remote.snapshot();
  assert.ok(snapshot !== undefined);
  const subject: Subject = { kind: 'page', url: 'https://a.example/' };
  await snapshot.prefetch([subject], hour0 - 1, hour0 + 2);
  for (const server of workers.servers) await server?.close();
  for (const hour of [hour0 - 1, hour0, hour0 + 1]) {
    let pageviews = 0;
    await snapshot.forEachBucket(subject, hour, hour + 1, (cell) => void (pageviews += cell.pageviews));
    assert.equal(pageviews, hour === hour0 ? 1 : 0);
  }
});

test('a worker only answers requests with the secret of the cluster', async (t) => {
  const { harness, workers } = await two(t);
  harness.start();
  await harness.untilCaughtUp(genesis);
  const url = `http://127.0.0.1:${workers.servers[0]?.port}`;
  const { partitions } = harness.log;
  await assert.rejects(new WorkerClient(url, 'another').open(genesis, partitions, 1_000), {
    code: 'config.invalid',
  });
  await assert.rejects(new WorkerClient(url, 'another').state(), { code: 'config.invalid' });
  assert.equal((await fetch(`${url}/state`)).status, 401);
  assert.ok((await new WorkerClient(url, secret).open(genesis, workers.held[0] ?? [], 1_000)) !== undefined);
  assert.equal(await new WorkerClient(url, secret).open(genesis, workers.held[1] ?? [], 1_000), undefined);
});

test('with two replicas a dead one is skipped; without, the error is named; no cut goes back', async (t) => {
  const { harness, workers, remote } = await two(t);
  workers.held[0] = [...harness.log.partitions];
  workers.held[1] = [...harness.log.partitions];
  harness.start();
  await harness.append(pageview('cookie:1', 'https://a.example/'));
  await harness.untilCaughtUp(genesis);
  const first = await remote.snapshot();
  assert.ok(first !== undefined);
  await workers.servers[0]?.close();
  await assert.rejects(hoursOf(first, { kind: 'page', url: 'https://a.example/' }), {
    code: 'realtime.gone',
  });
  const second = await remote.snapshot();
  assert.ok(second !== undefined);
  assert.equal((await hoursOf(second, { kind: 'page', url: 'https://a.example/' })).get(hour0)?.[0], 1);
  await workers.servers[1]?.close();
  await assert.rejects(remote.snapshot(), { code: 'speed.failed', retryable: true });
});

/** A worker at a given position; undefined for a dead one. */
class FakeWorker extends WorkerClient {
  next: number | undefined = 0;

  override open(): ReturnType<WorkerClient['open']> {
    if (this.next === undefined) throw new SwaError('realtime.gone', 'dead');
    const at = {
      next: offset(this.next),
      fromBucket: 0,
      toBucket: 0,
      equivs: 0,
      retractions: 0,
      keptEdges: 0,
    };
    const counts = { exclusions: 0, deadLetters: 0 };
    return Promise.resolve({
      id: 'snapshot',
      logId: 'log' as LogId,
      partitions: [['pageviews/0', { ...at, ...counts }]],
    });
  }

  override release(): void {
    // nothing is held
  }
}

test('when one replica dies, the other is waited for if it is behind the last answer', async () => {
  const [a, b] = [new FakeWorker('http://a', secret), new FakeWorker('http://b', secret)];
  const remote = new RemoteRealtime({
    serving: () => ({ generation: genesis, partitions: ['pageviews/0'] }),
    holders: () => [a, b],
    refresh: () => Promise.resolve(),
  });
  const cutNow = async (): Promise<number | undefined> => (await remote.snapshot())?.cut.next['pageviews/0'];
  [a.next, b.next] = [10, 5];
  assert.equal(await cutNow(), 10);
  a.next = undefined;
  const later = setTimeout(() => (b.next = 12), 100);
  assert.equal(await cutNow(), 12);
  clearTimeout(later);
  [a.next, b.next] = [11, undefined];
  await assert.rejects(
    new RemoteRealtime(
      {
        serving: () => ({ generation: genesis, partitions: ['pageviews/0'] }),
        holders: () => [b],
        refresh: () => Promise.resolve(),
      },
      { patienceMs: 50 },
    ).snapshot(),
    { code: 'speed.failed' },
  );
});
