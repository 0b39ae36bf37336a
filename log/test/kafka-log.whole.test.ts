/** The log on a real Kafka broker: the conformance suite of all logs, and tests specific to a broker. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { hasCode } from '../../lib/errors/errors.js';
import { distance, zeroOffsets } from '../cut.js';
import { offset } from '../log.js';
import { openKafkaLog, type KafkaLogOptions } from '../kafka/kafka-log.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { logConformance, readUntil, record, rejectsWith, suitePartitions } from './log-conformance.js';
import { eventually } from '../../test/eventually.js';

const [username, password] = ['swa', 'sesame-open'];
const { skip, broker } = suiteBroker({ username, password });

function options(change: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  return {
    brokers: [broker().address],
    topicPrefix: `t${randomUUID().slice(0, 8)}-`,
    partitions: suitePartitions,
    replication: 1,
    minRetentionMs: 0,
    tls: false,
    sasl: undefined,
    ...change,
  };
}

logConformance(
  'Kafka log',
  async () => {
    const own = options();
    return {
      openWriter: () => openKafkaLog(own),
      openLog: () => openKafkaLog(own),
      dispose: () => Promise.resolve(),
    };
  },
  skip,
);

test('roles that create the log at the same time agree on its id', { skip }, async () => {
  const own = options();
  const logs = await Promise.all([1, 2, 3, 4].map(() => openKafkaLog(own)));
  assert.equal(new Set(logs.map((log) => log.id)).size, 1);
  await Promise.all(logs.map((log) => log.close()));
});

test(
  'other partitions, and topics that lose facts or do not take ours, are refused by name',
  { skip },
  async () => {
    const own = options();
    await (await openKafkaLog(own)).close();
    await rejectsWith('config.invalid', openKafkaLog({ ...own, partitions: suitePartitions + 1 }));
    const weekMs = 7 * 24 * 3_600_000;
    await (await openKafkaLog({ ...own, minRetentionMs: weekMs })).close();
    const short = await rejectsWith('config.invalid', openKafkaLog({ ...own, minRetentionMs: weekMs + 1 }));
    assert.match(short.message, /three batch intervals/);
    // Each is checked before those above it.
    for (const [topic, name, value, problem] of [
      ['equivs', 'cleanup.policy', 'compact', /equivs is compacted/],
      ['pageviews', 'max.message.bytes', '100000', /pageviews takes record batches of at most 100000 bytes/],
      ['pageviews', 'retention.bytes', '5000000', /pageviews keeps at most 5000000 bytes/],
      ['log-id', 'cleanup.policy', 'delete', /log-id has cleanup\.policy delete/],
    ] as const) {
      await withAdmin((admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: `${own.topicPrefix}${topic}`, configEntries: [{ name, value }] }], // prettier-ignore
        }),
      );
      const refused = await rejectsWith('config.invalid', openKafkaLog({ ...own, minRetentionMs: 1 }));
      assert.match(refused.message, problem);
    }
  },
);

test(
  'a broker that is away at the start is named in seconds, as something that may pass',
  { skip },
  async () => {
    const started = performance.now();
    const error = await rejectsWith('log.unavailable', openKafkaLog(options({ brokers: ['127.0.0.1:9'] })));
    assert.ok(error.retryable);
    assert.match(error.message, /127\.0\.0\.1:9/);
    assert.ok(performance.now() - started < 15_000);
  },
);

test('retention that went past a stored position is out of range, not skipped', { skip }, async () => {
  const own = options();
  const log = await openKafkaLog(own);
  await log.append(Array.from({ length: 10 }, (_, i) => record('a', `${i}`, 'equivs')));
  await withAdmin(async (admin) => {
    const topic = `${own.topicPrefix}equivs`;
    await admin.fetchTopicOffsets(topic); // kafkajs deletes only in topics it has met
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] });
  });
  assert.equal((await log.earliest())['equivs/0'], 6);
  const open = (from: number) => log.openReader({ from: { 'equivs/0': offset(from) }, consumer: 'c' });
  await rejectsWith('log.out-of-range', open(5));
  const seen = await readUntil(await open(6), { 'equivs/0': offset(10) });
  assert.equal(seen.get('equivs/0')?.length, 4);
  await log.close();
});

test(
  'a topic recreated under a running reader stops it: the log is not the one it read',
  { skip },
  async () => {
    const own = options({ silentMs: 2000 });
    const log = await openKafkaLog(own);
    await log.append(Array.from({ length: 10 }, (_, i) => record('a', `${i}`, 'equivs')));
    const reader = await log.openReader({ from: zeroOffsets(['equivs/0']), consumer: 'c' });
    await readUntil(reader, { 'equivs/0': offset(10) });
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [`${own.topicPrefix}equivs`] });
      await createAgain(admin, `${own.topicPrefix}equivs`);
    });
    await rejectsWith('log.mismatch', reader.next({ maxRecords: 10, timeoutMs: 60_000 }));
    await log.close();
  },
);

test(
  "another producer's transactions leave holes that are passed over, and nothing else is",
  { skip },
  async () => {
    const own = options();
    const log = await openKafkaLog(own);
    const reader = await log.openReader({ from: zeroOffsets(['equivs/0']), consumer: 'c' });
    const kafka = new kafkajs.Kafka({ brokers: [...own.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = kafka.producer({
      transactionalId: own.topicPrefix,
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const transact = async (i: number): Promise<void> => {
      const transaction = await producer.transaction();
      await transaction.send({ topic: `${own.topicPrefix}equivs`, messages: [{ value: `t${i}` }] });
      await (i % 3 === 2 ? transaction.abort() : transaction.commit());
    };
    for (let i = 0; i < 6; i++) await transact(i);
    await log.append([record('a', 'ours', 'equivs')]);
    await transact(8); // at the end of the log, where nothing follows it
    await producer.disconnect();
    const seen = await readUntil(reader, await log.latest().then((next) => ({ 'equivs/0': next['equivs/0'] ?? offset(0) }))); // prettier-ignore
    assert.deepEqual(
      seen.get('equivs/0')?.map((item) => item.text),
      ['t0', 't1', 't3', 't4', 'ours'],
    );
    await log.close();
  },
);

const outageMs = Number(process.env['KAFKA_OUTAGE_S'] ?? 10) * 1000;

test(
  `a broker killed under load and back after ${outageMs / 1000} s: refusals meanwhile, then nothing is lost`,
  { skip },
  async (t) => {
    const own = options();
    const log = await openKafkaLog(own);
    const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'c' });
    const acknowledged: string[] = [];
    let refused = 0;
    const ending = new AbortController();
    t.after(() => ending.abort()); // a test that fails half-way does not write on for ever
    const write = async (worker: number): Promise<void> => {
      for (let i = 0; !ending.signal.aborted; i++) {
        const batch = Array.from({ length: 20 }, (_, k) => `${worker}-${i}-${k}`);
        try {
          await log.append(batch.map((text) => record(text, text)));
          acknowledged.push(...batch);
        } catch (error) {
          assert.ok(hasCode(error, 'log.unavailable') && error.retryable, String(error));
          refused++;
        }
      }
    };
    const seen = new Map<string, string[]>();
    let count = 0;
    const read = async (): Promise<void> => {
      while (!ending.signal.aborted || count < distance({}, await log.latest())) {
        for (const batch of await reader.next({ maxRecords: 500, timeoutMs: 1000 })) {
          count += batch.values.length;
          const list = seen.get(batch.name) ?? [];
          seen.set(batch.name, list);
          batch.values.forEach((value, i) =>
            list.push(`${batch.offsets[i]} ${Buffer.from(value).toString()}`),
          );
        }
      }
    };
    const work = [write(1), write(2), write(3)];
    const reading = read();
    await eventually('2,000 are acknowledged', () => acknowledged.length > 2000);
    await broker().stop('SIGKILL');
    await sleep(outageMs); // the outage itself
    await eventually('an append is refused', () => refused > 0); // the client's own patience may outlast a short outage
    await rejectsWith('log.unavailable', log.latest());
    await broker().resume();
    const enough = acknowledged.length + 2000;
    await eventually('2,000 more are acknowledged', () => acknowledged.length > enough);
    ending.abort();
    await Promise.all(work);
    await reading;
    const fresh = await openKafkaLog(own);
    const all = await readUntil(
      await fresh.openReader({ from: zeroOffsets(fresh.partitions), consumer: 'check' }),
      await fresh.latest(),
    );
    for (const [name, list] of all) {
      const stored = list.map((item) => `${item.offset} ${item.text}`);
      assert.ok(seen.get(name)?.join() === stored.join(), `the reader saw ${name} as it is`);
    }
    const texts = new Set([...all.values()].flat().map((item) => item.text));
    assert.deepEqual(acknowledged.filter((text) => !texts.has(text)), []); // prettier-ignore
    await Promise.all([log.close(), fresh.close()]);
  },
);

test('TLS and every SASL mechanism work, and wrong credentials are refused in words', { skip }, async () => {
  const tls = { ca: [readFileSync(broker().caFile, 'utf8')] };
  const own = options({ brokers: [broker().secureAddress], tls });
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
    const log = await openKafkaLog({ ...own, sasl: { mechanism, username, password } });
    await log.append([record('a', mechanism)]);
    await log.close();
    const wrong = { mechanism, username, password: 'guess' };
    const error = await rejectsWith('log.unavailable', openKafkaLog({ ...own, sasl: wrong }));
    assert.match(error.message, /[Aa]uthentication/);
    assert.doesNotMatch(JSON.stringify([error.message, error.context, error.hint]), /guess/);
  }
  const sasl = { mechanism: 'plain' as const, username, password };
  const distrust = await rejectsWith('log.unavailable', openKafkaLog({ ...own, sasl, tls: { ca: [] } }));
  assert.match(distrust.message, /certificate/);
});

async function withAdmin(body: (admin: Admin) => Promise<unknown>): Promise<void> {
  const admin = new kafkajs.Kafka({
    brokers: [...options().brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin();
  await admin.connect();
  await body(admin);
  await admin.disconnect();
}

/** Deletion continues for a moment after it was acknowledged. */
async function createAgain(admin: Admin, topic: string): Promise<void> {
  await eventually(`${topic} can be created again`, () =>
    admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }).catch(() => false),
  );
}
