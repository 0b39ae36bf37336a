/**
 * What other programs do to the log's topics on a real broker: produce in every codec and of any size, change settings,
 * add partitions, hold transactions open, delete and recreate topics. Kafka's own tools play the other programs.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import kafkajs, { type Admin, type Kafka } from 'kafkajs';
import { decodeRecord } from '../../facts/record.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { zeroOffsets } from '../cut.js';
import { maxBatchBytes, maxResponseBytes } from '../kafka/batch-codecs.js';
import { openKafkaLog, type KafkaLogOptions } from '../kafka/kafka-log.js';
import { KafkaMemory } from '../kafka/memory.js';
import { fingerprintOf } from '../last-records.js';
import { offset, type Log, type LogHealth, type LogId, type LogWriter, type PartitionName } from '../log.js';
import { maxRecordBytes } from '../write-pieces.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { endOpenTransaction, produce, runTool } from '../../test/kafka/tools.js';
import { readUntil, record, rejectsWith, suitePartitions, type Seen } from './log-conformance.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

const { skip, broker } = suiteBroker();
const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const equivs: PartitionName = 'equivs/0';

function options(change: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  return {
    brokers: [broker().address],
    topicPrefix: `o${randomUUID().slice(0, 8)}-`,
    partitions: suitePartitions,
    replication: 1,
    minRetentionMs: 0,
    tls: false,
    sasl: undefined,
    silentMs: 2000,
    ...change,
  };
}

test(
  'topics are made so that the broker unpacks what others send and keeps it by its own time',
  { skip },
  async (t) => {
    const own = options();
    const log = await open(t, own);
    const topic = `${own.topicPrefix}equivs`;
    const some = ['snappy', 'zstd'];
    for (const codec of some) await produced(topic, linesOf(codec, 300), codec);
    const seen = await readAll(log);
    assert.deepEqual(
      textsOf(seen),
      some.flatMap((codec) => textsIn(linesOf(codec, 300))),
    );
    assert.deepEqual(await healthOf(log), healthy);
    assert.deepEqual(await configOf(topic), ['uncompressed', 'LogAppendTime']);
    // What does not fit unpacked is refused at the door, however small it was packed.
    const bomb = await produce(broker(), topic, [`k\t${'x'.repeat(5_000_000)}\n`], big);
    assert.match(bomb.output, /RecordTooLargeException/);
    assert.equal((await log.latest())[equivs], 600);
  },
);

test(
  'records of an old topic are read in every codec, and each warning holds the command that ends it',
  { skip },
  async (t) => {
    const own = options();
    const topics = ['pageviews', 'equivs'].map((topic) => `${own.topicPrefix}${topic}`);
    await withAdmin(async (admin) => {
      await makeOldTopic(admin, `${own.topicPrefix}pageviews`, suitePartitions, {
        'compression.type': 'zstd',
      });
      await makeOldTopic(admin, `${own.topicPrefix}equivs`, 1, { 'max.message.bytes': '30000000' });
    });
    const log = await open(t, own);
    for (const codec of codecs) await produced(`${own.topicPrefix}equivs`, linesOf(codec, 3000), codec);
    await log.append(['a', 'b', 'c', 'd'].map((key) => record(key, `ours ${key}`)));
    await log.append([record('a', 'ours', 'equivs')]);
    const seen = await readAll(log);
    const expected = codecs.flatMap((codec) => textsIn(linesOf(codec, 3000)));
    assert.deepEqual(textsOf(seen), [...expected, 'ours']);
    const pageviews = [...seen].flatMap(([name, list]) =>
      name === equivs ? [] : list.map(({ text }) => text),
    );
    assert.deepEqual(pageviews.toSorted(), ['ours a', 'ours b', 'ours c', 'ours d']);

    const { warnings } = await healthOf(log);
    assert.deepEqual(warnings.map((text) => /^topic (\S+) has/.exec(text)?.[1]), topics); // prettier-ignore
    assert.match(warnings[0] ?? '', /compression\.type=zstd.*message\.timestamp\.type=CreateTime/s);
    assert.match(warnings[1] ?? '', /compression\.type=producer.*max\.message\.bytes=30000000/s);
    for (const text of warnings) {
      const [tool = '', ...args] = (/Change it: (.*)$/.exec(text)?.[1] ?? '').split(' ');
      assert.equal(tool, 'kafka-configs.sh');
      const { code, output } = await runTool('org.apache.kafka.tools.ConfigCommand', args);
      assert.equal(code, 0, output);
    }
    await log.close();
    const again = await open(t, own);
    assert.deepEqual(await healthOf(again), healthy);
    assert.deepEqual(textsOf(await readAll(again)), [...expected, 'ours'], 'stored records stay readable');
  },
);

test(
  'a packed flood is read within bounds: what is too large is set aside with its offset, what follows is read',
  { skip },
  async (t) => {
    const own = options();
    const topic = `${own.topicPrefix}equivs`;
    await withAdmin((admin) => makeOldTopic(admin, topic, 1, { 'max.message.bytes': '50000000' }));
    const log = await open(t, own);
    const huge = `k\t${'x'.repeat(5_000_000)}\n`;
    await produced(topic, Array<string>(80).fill(huge), 'gzip', big.properties); // 80 batches: 400 MB in one fetch
    const oneBatch = { ...big.properties, 'batch.size': '50000000', 'linger.ms': '20000' };
    await produced(topic, Array<string>(9).fill(huge), 'zstd', oneBatch); // 45 MB in one batch
    await log.append([record('a', 'ours', 'equivs')]);

    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    const sampler = setInterval(
      () => (peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)),
      1,
    );
    t.after(() => clearInterval(sampler));
    const seen = (await readAll(log)).get(equivs) ?? [];
    t.diagnostic(`at most ${Math.round(peak / 2 ** 20)} MiB of buffers for 445 MB of records`);
    // What is unpacked of a response, the batch that reaches the limit (twice while it is put together), and slack.
    assert.ok(peak < maxResponseBytes + 3 * maxBatchBytes + 64 * 2 ** 20, `${peak} bytes`);
    assert.deepEqual(
      seen.map((item) => item.offset),
      [...Array(90).keys()],
    );
    assert.equal(seen.at(-1)?.text, 'ours');
    for (const { text } of seen.slice(0, -1)) {
      const decoded = decodeRecord(Buffer.from(text), 'equivs');
      assert.equal(decoded.type === 'invalid' && decoded.reason, 'unreadable: too large');
      assert.ok(text.length < maxRecordBytes);
    }
    const { warnings, setAsideRecords } = await healthOf(log);
    assert.equal(setAsideRecords, 89);
    assert.match(warnings.at(-1) ?? '', /^equivs\/0, offset 80: a zstd batch of 9 records/);
  },
);

test(
  'partitions that are added to the topics change nothing for ours, and what comes into them is counted',
  { skip },
  async (t) => {
    const dataDir = tempDir('unread');
    mkdirSync(roomOf(dataDir, 'log'));
    const own = options({ memory: new KafkaMemory(dataDir) });
    const log = await open(t, own);
    const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'c' });
    const pageviews = `${own.topicPrefix}pageviews`;
    await log.latest(); // it knows the topics as they were
    await withAdmin((admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: pageviews, count: suitePartitions + 2 }] }),
    );
    await sendTo(pageviews, [0, 3, 4, 4]);
    // At least three: the producer sends again what a partition that was just made did not answer in time.
    let sent = 0;
    await withAdmin(async (admin) => {
      const added = (await admin.fetchTopicOffsets(pageviews)).filter(
        ({ partition }) => !log.partitions.some((name) => name === `pageviews/${partition}`),
      );
      sent = added.reduce((sum, { high }) => sum + Number(high), 0);
    });
    assert.ok(sent >= 3, `${sent} records`);
    await log.append(['a', 'b', 'c', 'd', 'e'].map((key) => record(key, 'ours')));
    const again = await open(t, own);
    assert.deepEqual(again.partitions, log.partitions);
    for (const one of [log, again]) {
      await eventually('all are sent and unread', async () => {
        await one.latest();
        return one.unreadRecords?.() === sent;
      });
      const latest = await one.latest();
      assert.deepEqual(Object.keys(latest), [...log.partitions]);
      const { warnings, ...counts } = await healthOf(one);
      assert.deepEqual(counts, { unreadRecords: sent, heldBackRecords: 0, setAsideRecords: 0 });
      assert.match(warnings.join(), /2 more partitions.*send pageviews to partitions 0 to 2 of/);
    }
    await withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(pageviews); // tells kafkajs where the partitions are
      await admin.deleteTopicRecords({ topic: pageviews, partitions: [{ partition: 4, offset: '2' }] });
    });
    await log.latest();
    assert.equal(log.unreadRecords?.(), sent, 'what the broker drops of them was not read either');
    assert.equal(await log.acceptUnread?.(), sent);
    await again.latest();
    assert.equal(again.unreadRecords?.(), 0, 'accepted, for every process of the data directory');
    await sendTo(pageviews, [4]);
    await log.latest();
    const later = (await again.acceptUnread?.()) ?? 0;
    assert.ok(later >= 1 && log.unreadRecords?.() === later, 'what comes later is named again');
    assert.equal(new KafkaMemory(dataDir).acceptedUnread('another' as LogId), 0);
    const seen = await readUntil(reader, await log.latest());
    const texts = [...seen.values()].flat().map(({ text }) => text);
    assert.deepEqual(new Set(texts), new Set(['in 0', 'ours'])); // the producer may send the first again, see above
    assert.equal(texts.filter((text) => text === 'ours').length, 5);
  },
);

test(
  'an open transaction hides durable records from readers, but not from the log’s end; Kafka’s own command finds it and ends it',
  { skip },
  async (t) => {
    const own = options();
    const log = await open(t, own);
    await log.append([record('a', 'before', 'equivs')]);
    await withKafka(async (kafka) => {
      const producer = kafka.producer({
        transactionalId: own.topicPrefix,
        idempotent: true,
        maxInFlightRequests: 1,
      });
      await producer.connect();
      const transaction = await producer.transaction();
      await transaction.send({ topic: `${own.topicPrefix}equivs`, messages: [{ value: 'open' }] });
      await log.append([record('a', 'acknowledged', 'equivs')]);
      assert.equal((await log.latest())[equivs], 3);
      assert.equal((await log.readable?.())?.[equivs], 1);
      const { warnings, ...counts } = await healthOf(log);
      assert.deepEqual(counts, { unreadRecords: 0, heldBackRecords: 2, setAsideRecords: 0 });
      assert.match(
        warnings.join(),
        /kafka-transactions\.sh --bootstrap-server 127\.0\.0\.1:\d+ describe-producers/,
      );
      const reader = await log.openReader({ from: zeroOffsets([equivs]), consumer: 'c' });
      await readUntil(reader, { [equivs]: offset(1) });
      assert.deepEqual(await reader.next({ maxRecords: 10, timeoutMs: 3000 }), [], 'longer than silentMs');
      await endOpenTransaction(broker(), `${own.topicPrefix}equivs`, 1);
      const rest = await readUntil(reader, { [equivs]: offset(3) });
      assert.deepEqual(rest.get(equivs)?.map(({ text }) => text), ['acknowledged']); // prettier-ignore
      await producer.disconnect();
    });
    await eventually(
      'all is readable',
      async () => (await log.readable?.())?.[equivs] === (await log.latest())[equivs],
    );
    assert.deepEqual(await healthOf(log), healthy);
  },
);

test(
  'a producer’s old times do not make the broker drop records: retention goes by their arrival',
  { skip },
  async (t) => {
    const own = options({ minRetentionMs: 0 });
    const log = await open(t, own);
    const beside = `${own.topicPrefix}beside`;
    const week = String(7 * 24 * 3_600_000);
    await withAdmin((admin) => makeOldTopic(admin, beside, 1, { 'retention.ms': week }));
    const messages = [1, 2, 3].map((i) => ({ value: `${i}`, timestamp: String(Date.UTC(2015, 0, i)) }));
    await withKafka(async (kafka) => {
      const producer = kafka.producer();
      await producer.connect();
      for (const topic of [beside, `${own.topicPrefix}equivs`]) await producer.send({ topic, messages });
      await producer.disconnect();
      const admin = kafka.admin();
      await admin.connect();
      await eventually(
        'the first two are deleted',
        async () => (await admin.fetchTopicOffsets(beside))[0]?.low === '3',
      );
      await admin.disconnect();
    });
    assert.deepEqual(textsOf(await readAll(log)), ['1', '2', '3']);
  },
);

test(
  'deleted topics are reported by name, by running and by starting processes, and are not recreated',
  { skip },
  async (t) => {
    const memory = makeMemory();
    const own = options({ memory });
    const log = await open(t, own);
    await log.append([record('a', 'one')]);
    const pageviews = `${own.topicPrefix}pageviews`;
    await withAdmin((admin) => admin.deleteTopics({ topics: [pageviews] }));
    const running = await rejectsWith('log.mismatch', log.latest());
    assert.match(running.message, /pageviews .*is gone/);
    await rejectsWith('log.mismatch', log.append([record('a', 'two')]));
    await log.close();
    for (const starting of [own, { ...own, memory: makeMemory() }]) {
      assert.match(
        (await rejectsWith('log.mismatch', openKafkaLog(starting))).message,
        /pageviews .*is gone/,
      );
    }
    await withAdmin((admin) => admin.deleteTopics({ topics: [`${own.topicPrefix}log-id`, `${own.topicPrefix}equivs`] })); // prettier-ignore
    assert.match((await rejectsWith('log.mismatch', openKafkaLog(own))).message, /log-id .*is gone/);
    await withAdmin(async (admin) => {
      const left = (await admin.listTopics()).filter((topic) => topic.startsWith(own.topicPrefix));
      assert.deepEqual(left, []);
    });
  },
);

test(
  'a log whose id alone is gone says so, and is the same again when the id is put back',
  { skip },
  async (t) => {
    const memory = makeMemory();
    const own = options({ memory });
    const { id } = await open(t, own);
    const topic = `${own.topicPrefix}log-id`;
    await withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
    await rejectsWith('log.mismatch', openKafkaLog(own));
    await withAdmin(async (admin) => {
      const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    });
    const empty = await rejectsWith('log.mismatch', openKafkaLog(own));
    assert.match(empty.message, /log-id is empty, but the data directory belongs to log/);
    const identity = { logId: id, partitions: suitePartitions };
    await produced(topic, [`id\t${JSON.stringify(identity)}\n`], 'none');
    assert.equal((await open(t, own)).id, id);
  },
);

test(
  'a topic that was made again between two runs is told by the last record that was stored of it',
  { skip },
  async (t) => {
    const memory = makeMemory();
    const own = options({ memory });
    const log = await open(t, own);
    await log.append(Array.from({ length: 10 }, (_, i) => record('a', `${i}`, 'equivs')));
    log.stored?.({ [equivs]: { offset: offset(9), sha256: fingerprintOf(Buffer.from('9')) } });
    await log.close();
    await (await open(t, own)).close();
    await makeAgain(`${own.topicPrefix}equivs`, 60);
    const error = await rejectsWith('log.mismatch', openKafkaLog(own));
    assert.match(error.message, /offset 9 of equivs\/0 is not the one that was read before/);
    // Fewer records than there were: the log ends before the one that is known.
    await makeAgain(`${own.topicPrefix}equivs`, 3);
    await rejectsWith('log.mismatch', openKafkaLog(own));
  },
);

test(
  'a topic that is made again under a reader and a writer, with more records than before, stops both',
  { skip },
  async (t) => {
    const own = options();
    const log = await open(t, own);
    const writer = await open(t, own);
    await writer.append(Array.from({ length: 10 }, (_, i) => record('a', `${i}`, 'equivs')));
    await writer.append([record('a', 'ten', 'equivs')]);
    const reader = await log.openReader({ from: zeroOffsets([equivs]), consumer: 'c' });
    await readUntil(reader, { [equivs]: offset(11) });
    await makeAgain(`${own.topicPrefix}equivs`, 60);
    const read = async (): Promise<never> => {
      for (;;)
        assert.deepEqual(await reader.next({ maxRecords: 100, timeoutMs: 60_000 }), [], 'of the other topic');
    };
    await rejectsWith('log.mismatch', read());
    await makeAgain(`${own.topicPrefix}equivs`, 3);
    await assert.rejects(
      writer.append([record('a', 'lost', 'equivs')]),
      /ended at offset 10 before, but now ends at 3/,
    );
    await rejectsWith('log.mismatch', writer.append([record('a', 'lost', 'equivs')]));
  },
);

/** Closed with the test, even if it fails half-way. */
async function sendTo(topic: string, partitions: readonly number[]): Promise<void> {
  await withKafka(async (kafka) => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({
      topic,
      messages: partitions.map((partition) => ({ partition, value: `in ${partition}` })),
    });
    await producer.disconnect();
  });
}

async function open(t: TestContext, own: KafkaLogOptions): Promise<LogWriter> {
  const log = await openKafkaLog(own);
  t.after(() => log.close());
  return log;
}

const healthy: LogHealth = { warnings: [], unreadRecords: 0, heldBackRecords: 0, setAsideRecords: 0 };
/** A producer that accepts messages of 5 MB. */
const big = {
  codec: 'gzip',
  properties: { 'max.request.size': '60000000', 'buffer.memory': '200000000' },
} as const;

/** Lines of `key<tab>value` that compress well and differ. */
function linesOf(codec: string, count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => `k\t${codec} ${i} ${'some text and more '.repeat(i % 7)}${i * i}\n`,
  );
}

function textsIn(lines: readonly string[]): string[] {
  return lines.map((line) => line.slice(2, -1));
}

async function produced(
  topic: string,
  lines: readonly string[],
  codec: string,
  properties: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { code, output } = await produce(broker(), topic, lines, { codec, properties });
  assert.ok(code === 0 && !/Exception|ERROR/.test(output), output);
}

async function readAll(log: Log): Promise<Map<PartitionName, Seen[]>> {
  const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'all' });
  try {
    return await readUntil(reader, await log.latest());
  } finally {
    await reader.close();
  }
}

function textsOf(seen: ReadonlyMap<PartitionName, readonly Seen[]>): string[] {
  return (seen.get(equivs) ?? []).map((item) => item.text);
}

async function healthOf(log: LogWriter): Promise<LogHealth> {
  const health = await log.health?.();
  assert.ok(health !== undefined);
  return health;
}

async function configOf(topic: string): Promise<string[]> {
  let values: string[] = [];
  await withAdmin(async (admin) => {
    const configNames = ['compression.type', 'message.timestamp.type'];
    const type = kafkajs.ConfigResourceTypes.TOPIC;
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name: topic, configNames }] }); // prettier-ignore
    values = configNames.map((name) => resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue ?? ''); // prettier-ignore
  });
  return values;
}

/** Topics as created by an earlier version, which set fewer settings. */
async function makeOldTopic(
  admin: Admin,
  topic: string,
  numPartitions: number,
  config: Readonly<Record<string, string>>,
): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] });
}

/** Deletes the topic and makes one of that name with other records. Deletion goes on for a moment after it was acknowledged. */
async function makeAgain(topic: string, records: number): Promise<void> {
  await withKafka(async (kafka) => {
    const admin = kafka.admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    await eventually('the topic can be made again', () =>
      admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }).catch(() => false),
    );
    await admin.disconnect();
    const producer = kafka.producer();
    await producer.connect();
    const messages = Array.from({ length: records }, (_, i) => ({ value: `other ${i}` }));
    await producer.send({ topic, messages });
    await producer.disconnect();
  });
}

function makeMemory(): KafkaMemory {
  const dataDir = tempDir('memory');
  for (const room of ['log', 'master']) mkdirSync(join(dataDir, room));
  return new KafkaMemory(dataDir);
}

async function withKafka(body: (kafka: Kafka) => Promise<void>): Promise<void> {
  await body(new kafkajs.Kafka({ brokers: [broker().address], logLevel: kafkajs.logLevel.NOTHING }));
}

async function withAdmin(body: (admin: Admin) => Promise<unknown>): Promise<void> {
  await withKafka(async (kafka) => {
    const admin = kafka.admin();
    await admin.connect();
    await body(admin);
    await admin.disconnect();
  });
}
