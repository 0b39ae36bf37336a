/**
 * Speed workers and query processes on hosts of their own, with a real broker and a bucket in common and nothing else. Workers are killed,
 * also during hand-overs, while clients ask both query processes in turn: every answer must be exactly the facts before the cut that it
 * names, and no client's cut may go back. KILLS=10 FACTS=1000 EVERY_MS=40 is the long form.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { eventually } from '../../test/eventually.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { readNodes, type KnownNode } from '../realtime/nodes.js';
import { openStoreToRead } from '../store/open-store.js';
import { Hosts, ask, startMs, type Asked } from './hosts.js';

const { skip: skipKafka, broker } = suiteBroker();
const skip = skipKafka === false ? skipS3 : skipKafka;
const kills = Number(process.env['KILLS'] ?? 2);
const factsPerSecond = Number(process.env['FACTS'] ?? 200);
/** Of each of the two clients. */
const askEveryMs = Number(process.env['EVERY_MS'] ?? 80);

let moto: TestServer | undefined;
before(async () => {
  if (skip === false) moto = await startMoto();
});
after(() => moto?.close());

async function envOf(name: string): Promise<Record<string, string>> {
  assert.ok(moto !== undefined);
  await moto.makeBucket(name);
  return {
    SWA_STORE: `s3://${name}`,
    SWA_STORE_ENDPOINT: moto.endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    PATH: process.env['PATH'] ?? '',
    ...(process.env['SHOW'] === undefined ? {} : { SWA_LOG_LEVEL: 'warn' }),
  };
}

/** A client that asks both query processes in turn, and holds every answer to what it has seen. */
class Client {
  asked = 0;
  readonly failed: string[] = [];
  /** How long answers stayed away, longest first. */
  readonly gapsMs: number[] = [];
  readonly lagsMs: number[] = [];
  readonly generations = new Set<string>();
  #last: Asked | undefined;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(hosts: Hosts, everyMs: number) {
    this.#done = this.#run(hosts, everyMs);
    this.#done.catch(() => undefined); // read by `stop`
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(hosts: Hosts, everyMs: number): Promise<void> {
    /** When each number of facts was durable. */
    const history: { readonly facts: number; readonly at: number }[] = [];
    let failingSince: number | undefined;
    for (let turn = 0; !this.#isOver; turn++) {
      const beganAt = performance.now();
      history.push({ facts: hosts.facts, at: beganAt });
      const { origin } = hosts.query[turn % hosts.query.length] ?? { origin: '' };
      const answer = await ask(origin, this.#last?.seen);
      this.asked++;
      if (answer.status !== 200) {
        failingSince ??= beganAt;
        this.failed.push(answer.text);
      } else {
        if (failingSince !== undefined) this.gapsMs.push(performance.now() - failingSince);
        failingSince = undefined;
        for (const [name, next] of Object.entries(this.#last?.cut ?? {}))
          assert.ok(
            (answer.cut[name] ?? 0) >= next,
            `${name} went back from ${next} to ${answer.cut[name]} at ${origin}`,
          );
        this.#last = answer;
        this.generations.add(answer.generation);
        const through = history.findLast(({ facts }) => facts <= answer.pageviews);
        if (through !== undefined) this.lagsMs.push(performance.now() - through.at);
        if (history.length > 2_000) history.splice(0, 1_000);
      }
      await sleep(Math.max(0, everyMs - (performance.now() - beganAt)));
    }
  }
}

function quantile(values: readonly number[], q: number): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0);
}

for (const replicas of [2, 1]) {
  test(
    `two workers, two query processes, ${replicas} replica(s), ${kills} kills: answers are exact and no client's cut goes back`,
    { skip },
    async (t) => {
      const hosts = await Hosts.start(t, {
        broker: broker().address,
        env: await envOf(`hosts-${replicas}`),
        replicas,
      });
      hosts.feed(factsPerSecond);
      await hosts.untilAnswering();
      if (replicas === 2) await untilBothHold(hosts);
      const clients = [new Client(hosts, askEveryMs), new Client(hosts, askEveryMs)];
      await sleep(2_000);
      const steady = clients.flatMap(({ lagsMs }) => lagsMs.splice(0));
      for (let kill = 0; kill < kills; kill++) {
        const victim = hosts.speed[kill % 2];
        const published = kill % 2 === 1 ? hosts.batch() : Promise.resolve();
        if (kill % 2 === 1) await sleep(1_000 + 500 * (kill % 5)); // anywhere in the run and the hand-over
        await victim?.end('SIGKILL');
        await sleep(replicas === 2 ? 3_000 : 1_000);
        victim?.start();
        await published;
        await hosts.untilAnswering();
        if (replicas === 2) await untilBothHold(hosts);
      }
      await hosts.stopFeeding();
      if (kills > 1)
        await eventually(
          'the next generation serves',
          async () => !(await ask(hosts.query[0]?.origin ?? '')).generation.startsWith('v000000'),
          startMs,
        );
      for (const { origin } of hosts.query)
        await eventually(
          'all facts are counted',
          async () => (await ask(origin)).pageviews === hosts.facts,
          startMs,
        );
      for (const client of clients) await client.stop();
      const asked = clients.reduce((sum, client) => sum + client.asked, 0);
      const failed = clients.flatMap((client) => client.failed);
      const gaps = clients.flatMap(({ gapsMs }) => gapsMs);
      t.diagnostic(
        `${asked} answers over ${hosts.facts} facts, ${failed.length} failed, longest time without ${quantile(gaps, 0.999)} ms; ` +
          `visible within p50 ${quantile(steady, 0.5)} ms, p99 ${quantile(steady, 0.99)} ms; ` +
          `${new Set(clients.flatMap(({ generations }) => [...generations])).size} generations`,
      );
      if (replicas === 2) assert.deepEqual(failed, []);
    },
  );
}

/** Until each worker, as it runs now, can be asked for every partition. */
async function untilBothHold(hosts: Hosts): Promise<void> {
  const { SWA_STORE = '', SWA_STORE_ENDPOINT = '' } = hosts.sink.env;
  const store = await openStoreToRead({
    store: SWA_STORE,
    storeEndpoint: SWA_STORE_ENDPOINT,
    storeRegion: 'us-east-1',
  });
  const pids = hosts.speed.map(({ pid }) => pid);
  const all = hosts.log.partitions.length;
  let nodes: readonly KnownNode[] = [];
  try {
    await eventually(
      () => `both workers hold all partitions: ${JSON.stringify({ pids, nodes })}`,
      async () => {
        nodes = (await readNodes(store)).filter(({ pid }) => pids.includes(pid));
        return (
          nodes.filter(({ stores }) => stores.some(({ partitions }) => partitions.length === all)).length ===
          2
        );
      },
      startMs,
    );
  } finally {
    store.close();
  }
}
