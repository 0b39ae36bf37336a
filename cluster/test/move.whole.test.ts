/**
 * A running system of one machine moves to Kafka and a bucket, step by step as docs/scaling.md says ("To move a running system"), while
 * facts are sent all the time: no acknowledged fact is lost or counted twice, and what it answered before is what is answered afterwards.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, createReadStream, createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { eventually } from '../../test/eventually.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { freePort } from '../../test/loopback.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { tempDir } from '../../test/temp-dir.js';
import { HostProcess, pauseMs, secret, startMs } from './hosts.js';

const { skip: skipKafka, broker } = suiteBroker();
const skip = skipKafka === false ? skipS3 : skipKafka;
const dayMs = 86_400_000;
const today = Math.floor(Date.now() / dayMs) * dayMs;

let moto: TestServer | undefined;
before(async () => {
  if (skip === false) moto = await startMoto();
});
after(() => moto?.close());

/** Facts of a few people on a few pages of the last days; each batch also joins two ids of a person, and some are taken back. */
function factsOf(batch: number, site: string): object[] {
  const pageviews = Array.from({ length: 8 }, (_, i) => {
    const n = batch * 8 + i;
    return {
      type: 'pageview',
      visitor: n % 3 === 0 ? `user:${site}-${n % 60}` : `cookie:${site}-${n % 200}`,
      url: `https://${site}/${n % 7}${n % 2 === 0 ? '?utm_source=letter' : ''}`,
      timestamp: new Date(today - 2 * dayMs + (n % 40) * 3_600_000).toISOString(),
      eventId: `view-${n}`,
    };
  });
  const edge = {
    type: batch % 9 === 8 ? 'retract' : 'equiv',
    a: `cookie:${site}-${(batch * 5) % 200}`,
    b: `user:${site}-${(batch * 3) % 60}`,
    timestamp: new Date(today - dayMs + batch).toISOString(),
    eventId: `edge-${batch}`,
  };
  return [...pageviews, edge];
}

/** A client that sends each batch until it is acknowledged, to the current target. */
class Client {
  /** Acknowledged pageviews by site. */
  readonly acknowledged: Record<string, number> = {};
  attempts = 0;
  /** Number of attempts that were not acknowledged. */
  failures = 0;
  target: { readonly origin: string; readonly site: string };
  #isOver = false;
  #done: Promise<void>;

  constructor(target: Client['target']) {
    this.target = target;
    this.#done = this.#run();
    this.#done.catch(() => undefined); // read by `stop`
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  /** Changes the target. Sends the last batch to the new target again, like a client that missed the acknowledgement. */
  async moveTo(target: Client['target']): Promise<void> {
    await this.stop();
    const last = this.#last;
    this.target = target;
    this.#isOver = false;
    this.#done = last === undefined ? this.#run() : this.#send(last).then(() => this.#run());
    this.#done.catch(() => undefined);
  }

  #batch = 0;
  #last: readonly object[] | undefined;

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const { site } = this.target;
      const facts = factsOf(this.#batch++, site);
      await this.#send(facts);
      this.#last = facts;
      this.acknowledged[site] = (this.acknowledged[site] ?? 0) + facts.length - 1;
      await sleep(40);
    }
  }

  async #send(facts: readonly object[]): Promise<void> {
    await eventually(
      () => `facts are acknowledged by ${this.target.origin}`,
      async () => {
        this.attempts++;
        const response = await fetch(`${this.target.origin}/v1/events`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(facts),
          signal: AbortSignal.timeout(20_000),
        }).catch(() => undefined);
        if (response?.status === 202) return true;
        this.failures++;
        await response?.body?.cancel();
        return undefined;
      },
      startMs,
      pauseMs,
    );
  }
}

const pageviewsSchema = z.object({ data: z.object({ pageviews: z.number() }) });

async function pageviewsOf(origin: string, site: string): Promise<number> {
  const response = await fetch(`${origin}/v1/pageviews?domain=${site}&${range}`);
  if (response.status === 503) return -1;
  assert.equal(response.status, 200, await response.clone().text());
  return pageviewsSchema.parse(await response.json()).data.pageviews;
}

const realtimeSchema = z.object({
  accuracy: z.object({ equivsAfterBatchCut: z.number(), retractionsAfterBatchCut: z.number() }),
});

/** Whether there are edges after the serving batch view. */
async function hasEdges(origin: string, site: string): Promise<boolean> {
  const response = await fetch(`${origin}/v1/persons/user:${site}-0`);
  if (response.status === 503) return true;
  const { accuracy } = realtimeSchema.parse(await response.json());
  return accuracy.equivsAfterBatchCut + accuracy.retractionsAfterBatchCut > 0;
}

const range = `from=${new Date(today - 3 * dayMs).toISOString()}&to=${new Date(today + dayMs).toISOString()}`;
const questions = (site: string): string[] => [
  `/v1/pageviews?domain=${site}&${range}&interval=hour`,
  `/v1/uniques?domain=${site}&${range}&interval=hour`,
  ...Array.from({ length: 7 }, (_, page) => `/v1/uniques?url=https://${site}/${page}&${range}`),
  `/v1/pages?domain=${site}&${range}&limit=10`,
  `/v1/breakdown?domain=${site}&by=source&${range}`,
  `/v1/bounce-rate?domain=${site}&${range}`,
  ...[0, 3, 6, 21].map((id) => `/v1/persons/user:${site}-${id}`),
];

/** `through` is the time until which a bounce rate is known: that of the batch run. */
const answerSchema = z.looseObject({
  data: z
    .looseObject({})
    .transform((data) => ({ ...data, through: undefined }))
    .optional(),
});

/** Answers without the fields that depend on time or on the generation. */
async function answersOf(origin: string, site: string): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const path of questions(site)) {
    const answer = await eventually(
      `${path} is answered`,
      async () => {
        const response = await fetch(`${origin}${path}`);
        const { data, ...rest } = answerSchema.parse(await response.json());
        if (process.env['SHOW'] !== undefined && response.status === 503) console.error(path, rest);
        return response.status === 503 ? undefined : [path, response.status, data]; // retried, as its header asks
      },
      startMs,
      pauseMs,
    );
    answers.push(answer);
  }
  return answers;
}

async function run(host: HostProcess, ...args: readonly string[]): Promise<void> {
  const [code] = (await once(host.spawn(...args), 'exit')) as [number];
  assert.equal(code, 0, args.join(' '));
}

test(
  'a running system of one machine moves to Kafka and a bucket: no fact is lost, all answers stay',
  { skip },
  async (t) => {
    assert.ok(moto !== undefined);
    await moto.makeBucket('moved');
    const dir = tempDir('move');
    const hosts: HostProcess[] = [];
    t.after(async () => {
      await Promise.all(hosts.map((host) => host.end('SIGKILL')));
      rmSync(dir, { recursive: true, force: true });
    });
    const common = {
      PATH: process.env['PATH'] ?? '',
      SWA_PARTITIONS: '2',
      SWA_BATCH_SCHEDULE: 'off',
      SWA_BATCH_THREADS: '1',
      SWA_BATCH_MEMORY: '512MB',
      SWA_SINK_INTERVAL_MS: '1000',
      SWA_LOG_LEVEL: process.env['SHOW'] === undefined ? 'fatal' : 'warn',
      SWA_HTTP_RATE_PER_MINUTE: '0',
    };
    const shared = {
      ...common,
      SWA_KAFKA_BROKERS: broker().address,
      SWA_KAFKA_TOPIC_PREFIX: 'moved-',
      SWA_STORE: 's3://moved',
      SWA_STORE_ENDPOINT: moto.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      SWA_SPEED_SECRET: secret,
    };
    const host = async (
      role: HostProcess['role'],
      env: Readonly<Record<string, string>>,
    ): Promise<HostProcess> => {
      const made = new HostProcess(role, join(dir, role), env, await freePort());
      hosts.push(made);
      return made;
    };

    const old = await host('start', common);
    old.start();
    const stayed = 'before.example';
    const client = new Client({ origin: old.origin, site: stayed });
    t.after(() => client.stop());
    const sent = (site: string): number => client.acknowledged[site] ?? 0;
    await eventually('the old system has facts', () => sent(stayed) > 400, startMs, pauseMs);
    await run(old, 'batch', 'run');

    // 1. The new system is started on directories of its own, with the secret of the old one.
    const roles = ['collector', 'sink', 'speed', 'query'] as const;
    const [collector, sink, speed, query] = await Promise.all([
      host(roles[0], shared),
      host(roles[1], shared),
      host(roles[2], shared),
      host(roles[3], shared),
    ]);
    for (const { dataDir } of [collector, sink, speed, query]) {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      copyFileSync(join(old.dataDir, 'secret'), join(dataDir, 'secret'));
    }
    for (const one of [collector, sink, speed, query]) one.start();

    // 2. Clients are sent to the new collector.
    const moved = 'after.example';
    await client.moveTo({ origin: collector.origin, site: moved });
    await eventually('the new collector takes facts', () => sent(moved) > 100, startMs, pauseMs);

    // 3. The old system is stopped when nothing reaches it any more. (Its last answers are kept, to be compared.)
    await eventually(
      'the old system has counted all that it acknowledged',
      async () => (await pageviewsOf(old.origin, stayed)) === sent(stayed),
      startMs,
      pauseMs,
    );
    await run(old, 'batch', 'run');
    const answered = await answersOf(old.origin, stayed);
    await old.end('SIGTERM');

    // 4. Its facts are exported, and imported into the new log.
    const file = join(dir, 'facts.ndjson');
    const exported = old.spawnWith(['ignore', 'pipe', 'inherit'], 'export');
    assert.ok(exported.stdout !== null);
    await pipeline(exported.stdout, createWriteStream(file));
    const imported = collector.spawnWith(['pipe', 'ignore', 'ignore'], 'import', '--format', 'ndjson', '-');
    assert.ok(imported.stdin !== null);
    const ended = once(imported, 'exit');
    await pipeline(createReadStream(file), imported.stdin);
    assert.deepEqual(await ended, [0, null]);

    // 5. A batch run, whose view goes to all hosts.
    await run(sink, 'batch', 'run');
    await client.stop();
    for (const site of [stayed, moved])
      await eventually(
        `all facts of ${site} are counted once`,
        async () => (await pageviewsOf(query.origin, site)) === sent(site),
        startMs,
        pauseMs,
      );
    await run(sink, 'batch', 'run'); // edges after the last run widen the bounds of all answers
    await eventually('it serves', async () => !(await hasEdges(query.origin, stayed)), startMs, pauseMs);
    assert.deepEqual(await answersOf(query.origin, stayed), answered);
    t.diagnostic(
      `${sent(stayed)} pageviews before, ${sent(moved)} after; ${client.attempts} requests, ${client.failures} had to be repeated`,
    );
  },
);
