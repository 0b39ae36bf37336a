/**
 * Erasing where facts and views lie in a bucket: every object of the bucket and every file of every data directory is decoded and searched for the
 * ids, on one machine and on hosts of their own.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { edge, ids, question, view, views } from '../../test/erased-facts.js';
import { eventually } from '../../test/eventually.js';
import { findTexts } from '../../test/find-ids.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { freePort } from '../../test/loopback.js';
import { runBatch, startTestSystem, untilAllCounted } from '../../test/running-system.js';
import { skipS3, startMoto, type TestServer } from '../../test/s3/servers.js';
import { tempDir } from '../../test/temp-dir.js';
import { S3Store } from '../store/s3-store.js';
import { listAll } from '../store/store.js';
import { batchMs, HostProcess, pauseMs, secret, startMs } from './hosts.js';

const { skip: skipKafka, broker } = suiteBroker();

let moto: TestServer | undefined;
before(async () => {
  if (skipS3 === false) moto = await startMoto();
});
after(() => moto?.close());

const erasureSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  parts: z.array(z.object({ what: z.string(), files: z.array(z.object({ path: z.string() })) })),
  notes: z.array(z.string()),
});

/** Names of the objects of a bucket, with what is found in them. */
async function findInBucket(
  endpoint: string,
  bucket: string,
): Promise<{ readonly keys: readonly string[]; readonly found: readonly string[] }> {
  const store = new S3Store({ bucket, prefix: '', endpoint, region: 'us-east-1' });
  const dir = tempDir('bucket');
  try {
    const keys: string[] = [];
    for (const { key } of await listAll(store, '')) {
      const object = await store.get(key);
      if (object === undefined) continue; // an announcement that was written anew
      keys.push(key);
      mkdirSync(dirname(join(dir, key)), { recursive: true });
      writeFileSync(join(dir, key), object.bytes);
    }
    return { keys, found: await findTexts(dir, ids) };
  } finally {
    store.close();
    rmSync(dir, { recursive: true });
  }
}

test('one machine with a bucket: no object and no file contains erased ids', { skip: skipS3 }, async (t) => {
  assert.ok(moto !== undefined);
  await moto.makeBucket('alone');
  await keepVersions(moto.endpoint, 'alone');
  const swa = await startTestSystem(t, {
    store: 's3://alone/some/where',
    storeEndpoint: moto.endpoint,
    partitions: 2,
    sinkIntervalMs: 200,
  });
  const { dataDir } = swa.config;
  await swa.send([...views(0), edge(ids[0], ids[2]), edge('cookie:2', 'user:4'), edge('cookie:3', 'user:4')]);
  await untilAllCounted(swa);
  await runBatch(swa);
  await swa.send([...views(100), edge(ids[1], ids[2])]);
  await untilAllCounted(swa);
  await runBatch(swa);
  const had = await findInBucket(moto.endpoint, 'alone');
  assert.ok(had.found.some((object) => object.includes('/master/pageviews/')));
  assert.ok(had.found.some((object) => object.includes('/master/equivs/')));
  assert.ok(had.found.some((object) => object.includes('/views/')));

  const asked = await fetch(`${swa.system.origin}/v1/erasures`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ person: ids[0] }),
  });
  assert.equal(asked.status, 202);
  const { id } = erasureSchema.parse(await asked.json());
  const receipt = await eventually(
    'the erasure is done',
    async () => {
      const report = erasureSchema.parse(await (await swa.get(`/v1/erasures/${id}`)).json());
      return report.state === 'done' ? report : undefined;
    },
    120_000,
  );
  const now = await findInBucket(moto.endpoint, 'alone');
  assert.deepEqual(now.found, []);
  assert.ok(now.keys.filter((key) => key.includes('/manifests/')).length >= 3, 'one for each partition');
  assert.deepEqual(await findTexts(dataDir, ids), []);
  assert.equal((await swa.ask(question)).data.visitors, 1);
  const removed = receipt.parts.flatMap(({ files }) => files.map(({ path }) => path));
  assert.ok(
    removed.some((path) => path.startsWith('views/')),
    JSON.stringify(receipt),
  );
  assert.match(receipt.notes.join('\n'), /keeps versions of objects.*lifecycle rule/);
});

async function keepVersions(endpoint: string, bucket: string): Promise<void> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  await client.send(
    new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }),
  );
  client.destroy();
}

function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  return eventually(what, look, startMs, pauseMs);
}

describe('hosts of their own', { skip: skipKafka === false ? skipS3 : skipKafka }, () => {
  test('an erasure that is asked for on one is carried out on all, and in the bucket', async (t) => {
    assert.ok(moto !== undefined);
    const { endpoint } = moto;
    await moto.makeBucket('hosts');
    const dir = tempDir('erasing-hosts');
    const env = {
      PATH: process.env['PATH'] ?? '',
      SWA_KAFKA_BROKERS: broker().address,
      SWA_KAFKA_TOPIC_PREFIX: 'erasing-',
      SWA_STORE: 's3://hosts',
      SWA_STORE_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      SWA_SPEED_SECRET: secret,
      SWA_PARTITIONS: '2',
      SWA_BATCH_SCHEDULE: 'off',
      SWA_BATCH_THREADS: '1',
      SWA_BATCH_MEMORY: '512MB',
      SWA_SINK_INTERVAL_MS: '300',
      SWA_LOG_LEVEL: 'error',
    };
    const roles = ['collector', 'sink', 'batch', 'speed', 'query'] as const;
    const hosts = await Promise.all(
      roles.map(async (role) => new HostProcess(role, join(dir, role), env, await freePort())),
    );
    t.after(async () => {
      await Promise.all(hosts.map((host) => host.end('SIGKILL')));
      rmSync(dir, { recursive: true, force: true });
    });
    const [collector, , batch, , query] = hosts;
    assert.ok(collector !== undefined && batch !== undefined && query !== undefined);
    for (const host of hosts) host.start();
    const ask = async (path: string): Promise<unknown> => {
      const response = await fetch(`${query.origin}${path}`).catch(() => undefined);
      return response?.status === 200 ? response.json() : undefined;
    };
    const send = (facts: readonly object[]): Promise<unknown> =>
      until('facts are acknowledged', async () => {
        const response = await fetch(`${collector.origin}/v1/events`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(facts),
        }).catch(() => undefined);
        return response?.status === 202 || undefined;
      });
    const run = (): Promise<unknown> =>
      eventually(
        'a batch run',
        async () => ((await once(batch.spawn('batch', 'run'), 'exit'))[0] === 0 ? true : undefined),
        batchMs,
        pauseMs,
      );
    const counted = (visitorsThere: number, pageviews: number): Promise<unknown> =>
      until(`${visitorsThere} visitors, ${pageviews} pageviews`, async () => {
        const uniques = uniquesSchema.safeParse(await ask(question)).data?.data.visitors;
        const path = question.replace('uniques', 'pageviews');
        const counts = pageviewsSchema.safeParse(await ask(path)).data?.data.pageviews;
        return (uniques === visitorsThere && counts === pageviews) || undefined;
      });

    await send([...views(0), edge(ids[0], ids[2]), edge('cookie:2', 'user:4'), edge('cookie:3', 'user:4')]);
    await counted(3, 60);
    await run();
    await send([...views(100), edge(ids[1], ids[2])]);
    await counted(2, 120);
    await run();
    const had = await findInBucket(endpoint, 'hosts');
    assert.ok(had.found.length > 5, had.found.join('\n'));
    for (const { role, dataDir } of hosts)
      if (role === 'query' || role === 'batch')
        assert.ok((await findTexts(dataDir, ids)).length > 0, `${role} has copies`);

    const asked = await until('an erasure is asked for', async () => {
      const response = await fetch(`${query.origin}/v1/erasures`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ person: ids[0] }),
      });
      return response.status === 202 ? erasureSchema.parse(await response.json()) : undefined;
    });
    const receipt = await until('a run takes the ids out of answers, and it is done', async () => {
      const report = erasureSchema.safeParse(await ask(`/v1/erasures/${asked.id}`)).data;
      return report?.state === 'done' ? report : undefined;
    });
    assert.deepEqual((await findInBucket(endpoint, 'hosts')).found, []);
    for (const { role, dataDir } of hosts) assert.deepEqual(await findTexts(dataDir, ids), [], role);
    await counted(1, 60);
    const what = JSON.stringify(receipt);
    assert.match(what, /master dataset: rows have lost their texts/);
    assert.match(what, /Kafka still holds/);
    await send([view(ids[0], 900), view('cookie:2', 901)]);
    await run();
    await counted(1, 61);
  });
});

const uniquesSchema = z.looseObject({ data: z.looseObject({ visitors: z.number() }) });
const pageviewsSchema = z.looseObject({ data: z.looseObject({ pageviews: z.number() }) });
