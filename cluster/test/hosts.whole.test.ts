/**
 * Speed workers and query processes on hosts of their own, with a real broker and a bucket in common and nothing else. Workers are killed
 * in steady work, in the middle of a hand-over (the leader, and one that does not lead) and during a batch run, while clients ask both
 * query processes in turn: every answer must be exactly the facts before the cut that it names, and no client's cut may go back.
 * KILLS=10 FACTS=1000 EVERY_MS=40 is the long form; SHOW=1 tells what is done and what the processes log.
 */
import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { eventually } from '../../test/eventually.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { readNodes, type KnownNode } from '../realtime/nodes.js';
import { openStoreToRead } from '../store/open-store.js';
import { readServing } from '../realtime/store-pointers.js';
import { nodeOf } from '../realtime/node-id.js';
import type { Store } from '../store/store.js';
import { readCurrent } from '../../serving/current.js';
import { Hosts, ask, batchMs, pauseMs, startMs, type Asked, type HostProcess } from './hosts.js';

const { skip: skipKafka, broker } = suiteBroker();
const skip = skipKafka === false ? skipS3 : skipKafka;
const kills = Number(process.env['KILLS'] ?? 2);
const factsPerSecond = Number(process.env['FACTS'] ?? 200);
/** Interval between questions of each of the two clients. */
const askEveryMs = Number(process.env['EVERY_MS'] ?? 80);
/**
 * Maximum age of the oldest acknowledged fact that an answer lacks (docs/scaling.md), in half of the answers and in 99 of 100, while nothing is
 * killed. It is larger than on an idle machine, and only asserted if the load per core is at most `busyLoad`: the processes of this test alone cause
 * about 4.
 */
const freshMs = { p50: 1_000, p99: 5_000 };
const busyLoad = 8;
/** How long questions may fail if each partition has one worker: until the broker has noticed its death and another worker has read the log. */
const replayedWithinMs = 60_000;

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

/** A client that asks both query processes in turn, and checks every answer against those it has seen. */
class Client {
  asked = 0;
  readonly failed: string[] = [];
  /** Times without an answer. */
  readonly gapsMs: number[] = [];
  /** Age of the oldest acknowledged fact that an answer lacked when it was requested; 0 if it had all of them. */
  readonly missingMs: number[] = [];
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
    let failingSince: number | undefined;
    for (let turn = 0; !this.#isOver; turn++) {
      const beganAt = performance.now();
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
        this.missingMs.push(hosts.missingMs(answer.cut, beganAt));
      }
      await sleep(Math.max(0, everyMs - (performance.now() - beganAt)));
    }
  }
}

function quantile(values: readonly number[], q: number): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0);
}

/** The moments at which workers are killed, in turn. */
const moments = ['steady work', 'hand-over', 'batch run', 'hand-over'] as const;

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
      const store = await storeOf(hosts);
      t.after(() => store.close());
      hosts.feed(factsPerSecond);
      await hosts.untilAnswering();
      if (replicas === 2) await untilBothHold(hosts, store);
      const clients = [new Client(hosts, askEveryMs), new Client(hosts, askEveryMs)];
      const missingMs = (): number[] => clients.flatMap((client) => client.missingMs.splice(0));
      await sleep(5_000);
      const steady = missingMs();
      const load = (loadavg()[0] ?? 0) / availableParallelism();
      const afterKills: number[] = [];
      let inHandOvers = 0;
      for (let kill = 0; kill < kills; kill++) {
        const moment = moments[kill % moments.length];
        const published = moment === 'steady work' ? Promise.resolve() : hosts.batch();
        published.catch(() => undefined); // awaited below
        if (moment === 'batch run') await sleep(1_000 + 500 * (kill % 5));
        let victim = hosts.speed[kill % 2];
        if (moment === 'hand-over') {
          const leads = await untilHandOver(hosts, store);
          victim = kill % moments.length === 1 ? leads : hosts.speed.find((worker) => worker !== leads);
          inHandOvers++;
        }
        show(`kill ${kill} in ${moment}: ${victim?.dataDir}`);
        await victim?.end('SIGKILL');
        await sleep(replicas === 2 ? 3_000 : 1_000);
        victim?.start();
        await published;
        await hosts.untilAnswering();
        if (replicas === 2) await untilBothHold(hosts, store);
        if (moment !== 'steady work') await untilServes(hosts, store);
        show(`kill ${kill} is over`);
        afterKills.push(...missingMs());
      }
      await hosts.stopFeeding();
      for (const { origin } of hosts.query)
        await eventually(
          'all facts are counted',
          async () => (await ask(origin)).pageviews === hosts.facts,
          startMs,
          pauseMs,
        );
      for (const client of clients) await client.stop();
      const asked = clients.reduce((sum, client) => sum + client.asked, 0);
      const failed = clients.flatMap((client) => client.failed);
      const gap = Math.max(0, ...clients.flatMap(({ gapsMs }) => gapsMs));
      const generations = new Set(clients.flatMap((client) => [...client.generations])).size;
      t.diagnostic(
        `${kills} kills, ${inHandOvers} of them in hand-overs; ${asked} answers over ${hosts.facts} facts, ${failed.length} failed, ` +
          `longest time without ${Math.round(gap)} ms; ${generations} generations`,
      );
      t.diagnostic(
        `oldest fact not found yet: ${shown(steady)} in steady work, ${shown(afterKills)} with kills`,
      );
      if (load > busyLoad) t.diagnostic(`not asserted: the load of each core was ${load.toFixed(1)}`);
      else {
        assert.ok(quantile(steady, 0.5) <= freshMs.p50, `p50 of ${shown(steady)}`);
        assert.ok(quantile(steady, 0.99) <= freshMs.p99, `p99 of ${shown(steady)}`);
      }
      if (replicas === 2) assert.deepEqual(failed, []);
      else assert.ok(gap <= replayedWithinMs, `no answers for ${gap} ms`);
    },
  );
}

function shown(ms: readonly number[]): string {
  return `p50 ${quantile(ms, 0.5)} ms, p99 ${quantile(ms, 0.99)} ms, at most ${Math.round(Math.max(0, ...ms))} ms`;
}

function show(what: string): void {
  if (process.env['SHOW'] !== undefined) console.error(new Date().toISOString(), what);
}

function storeOf({ sink }: Hosts): Promise<Store> {
  const { SWA_STORE = '', SWA_STORE_ENDPOINT = '' } = sink.env;
  return openStoreToRead({ store: SWA_STORE, storeEndpoint: SWA_STORE_ENDPOINT, storeRegion: 'us-east-1' });
}

/** Waits until the next generation is being made; returns the leader. */
function untilHandOver(hosts: Hosts, store: Store): Promise<HostProcess> {
  return eventually(
    'a hand-over begins',
    async () => {
      const serving = await readServing(store);
      if (serving?.pointer.next === undefined) return undefined;
      return hosts.speed.find(({ dataDir }) => nodeOf('speed', dataDir, '').id === serving.leader);
    },
    batchMs + startMs,
    50,
  );
}

/** Waits until the published view serves and no other is being made. */
async function untilServes(hosts: Hosts, store: Store): Promise<void> {
  const { dataDir } = hosts.sink;
  await eventually(
    () => `${readCurrent(dataDir)} serves`,
    async () => {
      const { serving, next } = (await readServing(store))?.pointer ?? {};
      return serving === readCurrent(dataDir) && next === undefined;
    },
    startMs,
    pauseMs,
  );
}

/** Waits until each running worker can be asked for every partition. */
async function untilBothHold(hosts: Hosts, store: Store): Promise<void> {
  const pids = hosts.speed.map(({ pid }) => pid);
  const all = hosts.log.partitions.length;
  let nodes: readonly KnownNode[] = [];
  await eventually(
    () => `both workers hold all partitions: ${JSON.stringify({ pids, nodes })}`,
    async () => {
      nodes = (await readNodes(store)).filter(({ pid }) => pids.includes(pid));
      return (
        nodes.filter(({ stores }) => stores.some(({ partitions }) => partitions.length === all)).length === 2
      );
    },
    startMs,
    pauseMs,
  );
}
