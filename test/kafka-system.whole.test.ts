/**
 * The whole system on a real broker, while others meddle with its topics: answers say what they do not hold, what was lost is
 * never passed over in silence, and there is a way on.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Kafka } from 'kafkajs';
import { pino } from 'pino';
import { bodies, type Freshness } from '../query/bodies.js';
import { restore } from '../cli/backup.js';
import { startSystem } from '../cli/system.js';
import { setUp } from '../cli/test/swa-command.js';
import { hasCode } from '../lib/errors/errors.js';
import { systemClock } from '../lib/time/clock.js';
import type { Log } from '../log/log.js';
import { openLog } from '../log/open-log.js';
import { readStatus } from '../lib/process/status.js';
import { skipGaps } from '../master-data/recover.js';
import { takeSnapshot } from '../master-data/snapshot.js';
import { verifyMaster } from '../master-data/audit.js';
import { clientOf, startOnKafka, uniques, views } from './kafka/running-on-kafka.js';
import { suiteBroker } from './kafka/suite-broker.js';
import { eventually } from './eventually.js';
import { type TestSystem } from './running-system.js';

const { skip, broker } = suiteBroker();

const freshnessSchema = bodies.uniques.pick({ freshness: true });

test(
  'an open transaction makes answers incomplete, and they say so; batch runs go on; afterwards all is counted',
  { skip },
  async (t) => {
    const swa = await start(t, 'x-');
    await swa.send(views(0, 40));
    await untilFresh(swa, ({ complete, realtime }) => complete && realtime?.lagRecords === 0);
    await withKafka(async (kafka) => {
      const producer = kafka.producer({ transactionalId: 'x', idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
      const transaction = await producer.transaction();
      const messages = [0, 1, 2, 3].map((partition) => ({ partition, value: 'of a transaction' }));
      await transaction.send({ topic: 'x-pageviews', messages });
      await swa.send(views(40, 60));
      const held = await untilFresh(swa, ({ complete }) => !complete);
      assert.equal(held.realtime?.lagRecords, 24);
      const batch = await fetch(`${swa.system.origin}/v1/batches`, { method: 'POST' });
      assert.equal(batch.status, 202);
      await eventually('a batch view of what can be read', async () => {
        const { generation } = (await swa.ask(uniques)).freshness;
        return !generation.startsWith('v000000') || undefined;
      });
      assert.equal((await swa.ask(uniques)).data.visitors, 40);
      assert.match(await (await swa.get('/metrics')).text(), /name="heldBackRecords"\} 24\n/);
      await transaction.commit();
      await producer.disconnect();
    });
    await untilFresh(swa, ({ complete, realtime }) => complete && realtime?.lagRecords === 0);
    assert.equal((await swa.ask(uniques)).data.visitors, 60);
  },
);

test(
  'a topic deleted under a running system ends it with log.mismatch, and a start makes nothing in its place',
  { skip },
  async (t) => {
    const swa = await start(t, 'y-');
    await swa.send(views(0, 20));
    await untilFresh(swa, ({ complete, realtime }) => complete && realtime?.lagRecords === 0);
    await withKafka(async (kafka) => {
      const admin = kafka.admin();
      await admin.connect();
      await admin.deleteTopics({ topics: ['y-pageviews'] });
      await assert.rejects(swa.system.done, { code: 'log.mismatch', message: /y-pageviews .*is gone/ });
      const refused = await fetch(`${swa.system.origin}/v1/events`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(views(20, 21)) }); // prettier-ignore
      assert.equal(refused.status, 503);
      await swa.system.stop();
      await assert.rejects(startAgain(swa), { code: 'log.mismatch', message: /y-pageviews .*is gone/ });
      const left = (await admin.listTopics()).filter((topic) => topic.startsWith('y-'));
      assert.deepEqual(left.toSorted(), ['y-equivs', 'y-log-id']);
      await admin.disconnect();
    });
  },
);

test(
  'facts that the broker dropped unread stop the sink by name; once the gap is accepted it is recorded, and the rest counted',
  { skip },
  async (t) => {
    const swa = await start(t, 'z-');
    await swa.send(views(0, 20));
    await eventually('facts in the master dataset', () => stored(swa) === 20 || undefined);
    await swa.system.stop();
    await withKafka(async (kafka) => {
      const producer = kafka.producer();
      await producer.connect();
      const lost = views(20, 40).map((view, i) => ({ partition: i % 4, value: JSON.stringify(view) }));
      await producer.send({ topic: 'z-pageviews', messages: lost });
      await producer.disconnect();
      const admin = kafka.admin();
      await admin.connect();
      const ends = await admin.fetchTopicOffsets('z-pageviews');
      const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
      await admin.deleteTopicRecords({ topic: 'z-pageviews', partitions });
      await admin.disconnect();
    });
    const halted = await startAgain(swa);
    await eventually('the sink to say what it cannot read', () => {
      const sink = readStatus(swa.config.dataDir).find(({ role }) => role === 'sink');
      return sink?.lastError?.code === 'log.out-of-range' || undefined;
    });
    await halted.stop();

    const log = await openLog(swa.config, systemClock);
    await assert.rejects(readFromMaster(swa.config.dataDir, log), (error) => {
      assert.ok(hasCode(error, 'log.out-of-range'), String(error));
      assert.match(error.hint ?? '', /`swa recover --skip-gap`/);
      return true;
    });
    const gaps = await skipGaps({ config: swa.config, clock: systemClock }, log);
    await log.close();
    assert.equal(gaps.reduce((sum, { fromOffset, toOffset }) => sum + toOffset - fromOffset, 0), 20); // prettier-ignore
    const again = await startAgain(swa);
    t.after(() => again.stop());
    const send = await fetch(`${again.origin}/v1/events`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(views(40, 45)) }); // prettier-ignore
    assert.equal(send.status, 202);
    await eventually('the later facts in the master dataset', () => stored(swa) === 25 || undefined);
    const sink = readStatus(swa.config.dataDir).find(({ role }) => role === 'sink');
    assert.equal(sink?.details['skippedOffsets'], 20);
    const { problems, checked } = await verifyMaster(swa.config.dataDir, again.log);
    assert.deepEqual([problems, checked.skippedOffsets], [[], 20]);

    // With a view that reaches over the gap, answers say so, but for those of a time after the loss.
    const freshnessOf = async (path: string): Promise<unknown> => {
      const response = await fetch(`${again.origin}${path}`);
      if (response.status !== 200) return undefined;
      const { freshness } = freshnessSchema.parse(await response.json());
      return [freshness.incompleteReason, freshness.skippedOffsets];
    };
    const batch = await fetch(`${again.origin}/v1/batches`, { method: 'POST' });
    assert.equal(batch.status, 202);
    await eventually('answers that name the loss', async () => {
      const found = await freshnessOf(uniques);
      return isDeepStrictEqual(found, ['lost-facts', 20]) || undefined;
    });
    const tomorrow = Math.floor(systemClock() / 3_600_000 + 24) * 3_600_000;
    const later = `/v1/uniques?domain=example.com&from=${tomorrow}&to=${tomorrow + 3_600_000}`;
    assert.deepEqual(await freshnessOf(later), [null, 0]);
    await again.stop(); // before its data directory goes
  },
);

test(
  'facts in partitions that were added to a topic make answers incomplete within seconds, until an operator accepts them; all others count',
  { skip },
  async (t) => {
    const swa = await start(t, 'w-');
    const { dir, swa: command } = setUp({
      SWA_DATA_DIR: swa.config.dataDir,
      SWA_KAFKA_BROKERS: broker().address,
      SWA_KAFKA_TOPIC_PREFIX: 'w-',
    });
    await swa.send(views(0, 10));
    await untilFresh(swa, ({ complete }) => complete);
    await withKafka(async (kafka) => {
      const admin = kafka.admin();
      await admin.connect();
      await admin.createPartitions({ topicPartitions: [{ topic: 'w-pageviews', count: 6 }] });
      const producer = kafka.producer();
      await producer.connect();
      const messages = [4, 4, 5].map((partition) => ({ partition, value: JSON.stringify(views(0, 1)[0]) }));
      await producer.send({ topic: 'w-pageviews', messages });
      await producer.disconnect();
      // At least three: the producer sends again what a partition that was just made did not answer in time.
      const sent = (await admin.fetchTopicOffsets('w-pageviews'))
        .filter(({ partition }) => partition >= 4)
        .reduce((sum, { high }) => sum + Number(high), 0);
      assert.ok(sent >= 3, `${sent} records`);
      const unread = await untilFresh(swa, ({ complete }) => !complete);
      assert.deepEqual([unread.incompleteReason, unread.unreadRecords], ['unread-partitions', sent]);
      await eventually('the warning', () => {
        const sink = readStatus(swa.config.dataDir).find(({ role }) => role === 'sink');
        return sink?.details['unreadRecords'] === sent || undefined;
      });
      await swa.send(views(10, 20));
      await eventually('later facts in answers', async () => {
        return (await swa.ask(uniques)).data.visitors === 20 || undefined;
      });

      const shown = await command(['accept-unread']);
      assert.deepEqual([shown.code, shown.stderr], [0, '']);
      assert.match(
        shown.stdout,
        new RegExp(`^${sent} records are not read, and answers are not complete; .*--yes`),
      );
      assert.ok(!(await untilFresh(swa, () => true)).complete, 'showing them accepts nothing');
      const accepted = await command(['accept-unread', '--yes']);
      assert.deepEqual(accepted, { code: 0, stdout: `accepted: ${sent} records do not count\n`, stderr: '' });
      const fresh = await untilFresh(swa, ({ complete }) => complete);
      assert.deepEqual([fresh.incompleteReason, fresh.unreadRecords], [null, 0]);
      assert.equal((await command(['accept-unread'])).stdout, 'there are no unread records\n');

      const saved = await command(['backup', join(dir, 'backup')]);
      assert.equal(saved.code, 0, saved.stderr);
      await restore(join(dir, 'backup'), join(dir, 'restored'));
      const restored = await startOnKafka(t, broker(), 'w-', { dataDir: join(dir, 'restored') });
      assert.equal(
        (await untilFresh(restored, ({ batch, complete }) => batch !== null && complete)).unreadRecords,
        0,
      );
      await producer.connect();
      await producer.send({ topic: 'w-pageviews', messages: messages.slice(0, 1) });
      await producer.disconnect();
      for (const one of [swa, restored]) {
        const later = await untilFresh(one, ({ complete }) => !complete);
        assert.equal(later.incompleteReason, 'unread-partitions', 'accepted were those alone');
      }
      await admin.disconnect();
    });
  },
);

/** What a sink does when it starts: reads on from where the master dataset ends. */
async function readFromMaster(dataDir: string, log: Log): Promise<void> {
  const { cut } = takeSnapshot(dataDir);
  const reader = await log.openReader({ from: cut.next, consumer: 'sink' });
  try {
    await reader.next({ maxRecords: 1, timeoutMs: 5_000 });
  } finally {
    await reader.close();
  }
}

const start = (t: TestContext, prefix: string): Promise<TestSystem> => startOnKafka(t, broker(), prefix);

/** On the same data directory. */
function startAgain({ config }: TestSystem): ReturnType<typeof startSystem> {
  return startSystem({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
}

function stored({ config }: TestSystem): number {
  return takeSnapshot(config.dataDir).files.reduce((sum, { rows }) => sum + rows, 0);
}

function untilFresh(swa: TestSystem, met: (freshness: Freshness) => boolean): Promise<Freshness> {
  let last: Freshness | undefined;
  return eventually('answers to be so fresh', async () => {
    const response = await swa.get(uniques);
    if (response.status !== 200) return undefined; // no realtime view yet
    last = freshnessSchema.parse(await response.json()).freshness;
    return met(last) ? last : undefined;
  });
}

async function withKafka(body: (kafka: Kafka) => Promise<void>): Promise<void> {
  await body(clientOf(broker()));
}
