/**
 * Backup and restore with Kafka as the log, on a real broker: a backup of a system under load, restored to the same topics beside
 * the original, goes on where its master dataset ends; a restore to topics that are not the same any more is refused.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Admin } from 'kafkajs';
import { backUp, restore, type Inventory } from '../cli/backup.js';
import type { Config } from '../lib/config/config.js';
import { systemClock } from '../lib/time/clock.js';
import { distance, reaches } from '../log/cut.js';
import type { Offsets } from '../log/log.js';
import { openExistingLog } from '../log/open-log.js';
import { verifyMaster } from '../master-data/audit.js';
import { takeSnapshot } from '../master-data/snapshot.js';
import { readCurrent } from '../serving/current.js';
import { viewPath } from '../serving/layout.js';
import { readMeta } from '../serving/meta.js';
import { clientOf, startOnKafka, uniques, views } from './kafka/running-on-kafka.js';
import { suiteBroker } from './kafka/suite-broker.js';
import { eventually } from './eventually.js';
import { runBatch, untilAllCounted, type TestSystem } from './running-system.js';
import { tempDir } from './temp-dir.js';

const { skip, broker } = suiteBroker();

function start(t: TestContext, prefix: string, dataDir?: string): Promise<TestSystem> {
  const place = dataDir === undefined ? {} : { dataDir };
  return startOnKafka(t, broker(), prefix, { sinkIntervalMs: 100, ...place });
}

async function visitorsOf(swa: TestSystem): Promise<number | undefined> {
  return (await swa.ask(uniques)).data.visitors;
}

async function withAdmin(body: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = clientOf(broker()).admin();
  await admin.connect();
  await body(admin);
  await admin.disconnect();
}

const endOf = ({ cut }: Inventory): Offsets => (cut?.next ?? {}) as Offsets; // written from one

/** Every fact of the log is in the master dataset once. */
async function assertStoredOnce({ config }: TestSystem): Promise<void> {
  const log = await openExistingLog(config);
  try {
    const latest = await log.latest();
    await eventually(
      'the sink has all',
      () => reaches(takeSnapshot(config.dataDir).cut.next, latest) || undefined,
    );
    const { problems, checked } = await verifyMaster(config.dataDir, log);
    assert.deepEqual([problems, checked.skippedOffsets], [[], 0]);
    const rows = takeSnapshot(config.dataDir).files.reduce((sum, file) => sum + file.rows, 0);
    assert.equal(rows, distance({}, latest));
  } finally {
    await log.close();
  }
}

function contentHash({ dataDir }: Config): string {
  return readMeta(viewPath(dataDir, readCurrent(dataDir))).view.contentHash;
}

test(
  'a backup of a running system, restored to the same topics beside it, loses nothing and has nothing twice',
  { skip },
  async (t) => {
    const original = await start(t, 'b-');
    await original.send(views(0, 300));
    await original.send([{ type: 'equiv', a: 'cookie:0', b: 'cookie:1' }]);
    await runBatch(original);
    let sent = 300;
    const more = async (): Promise<void> => {
      await original.send(views(sent, sent + 25));
      sent += 25;
    };
    const dir = tempDir('kafka-backup');
    const ending = new AbortController();
    const load = (async () => {
      while (!ending.signal.aborted) await more();
    })();
    await eventually('some load', () => sent > 500 || undefined);
    const inventory = await backUp({ config: original.config, clock: systemClock }, join(dir, 'backup'));
    ending.abort();
    await load;
    const stored = distance({}, endOf(inventory));
    assert.ok(stored >= 301 && inventory.view !== null, `${stored} facts, view ${inventory.view}`);
    await more();

    // All that the backup lacks is in Kafka.
    await restore(join(dir, 'backup'), join(dir, 'restored'));
    const restored = await start(t, 'b-', join(dir, 'restored'));
    for (const swa of [original, restored]) {
      await eventually('it is ready', async () => (await swa.get('/readyz')).ok || undefined);
      await untilAllCounted(swa);
    }
    assert.equal(await visitorsOf(original), sent - 1);
    assert.equal(await visitorsOf(restored), sent - 1);

    // Both go on: facts of either come to both.
    await more();
    await restored.send(views(sent, sent + 10));
    sent += 10;
    for (const swa of [original, restored]) {
      await untilAllCounted(swa);
      assert.equal(await visitorsOf(swa), sent - 1);
      await assertStoredOnce(swa);
      await runBatch(swa);
      assert.equal(await visitorsOf(swa), sent - 1);
    }
    assert.equal(contentHash(restored.config), contentHash(original.config));
  },
);

test(
  'a restore to topics that were made again is refused by name, and makes nothing; one to topics cut short names the gap',
  { skip },
  async (t) => {
    const original = await start(t, 'c-');
    await original.send(views(0, 100));
    await original.send([{ type: 'equiv', a: 'cookie:0', b: 'cookie:1' }]);
    await untilAllCounted(original);
    await assertStoredOnce(original);
    const dir = tempDir('kafka-backup');
    const { config } = original;
    await backUp({ config, clock: systemClock }, join(dir, 'backup'));
    await original.send(views(100, 200));
    await original.system.stop();
    const restoredAs = async (name: string): Promise<string> => {
      await restore(join(dir, 'backup'), join(dir, name));
      return join(dir, name);
    };

    await withAdmin(async (admin) => {
      const ends = await admin.fetchTopicOffsets('c-pageviews');
      const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
      await admin.deleteTopicRecords({ topic: 'c-pageviews', partitions });
      const short = await start(t, 'c-', await restoredAs('short'));
      await eventually('the sink names the gap', async () => {
        const body = await (await short.get('/v1/status')).text();
        return body.includes('log.out-of-range') || undefined;
      });
      await short.system.stop();

      // As many partitions, and more records than before.
      await admin.deleteTopics({ topics: ['c-pageviews'] });
      await makeTopic(admin, 'c-pageviews');
      await sendOthers('c-pageviews', 400);
      const refusal = {
        code: 'log.mismatch',
        message: /pageviews\/\d.*(is not the one that was read)/,
      };
      await assert.rejects(start(t, 'c-', await restoredAs('made-again')), refusal);

      // The whole log is another one.
      const topics = ['c-pageviews', 'c-equivs', 'c-log-id'];
      await admin.deleteTopics({ topics });
      await eventually('the topics are gone', async () => {
        const left = await admin.listTopics();
        return !topics.some((topic) => left.includes(topic)) || undefined;
      });
      const dataDir = await restoredAs('gone');
      await assert.rejects(start(t, 'c-', dataDir), { code: 'log.mismatch', message: /c-log-id.*is gone/ });
      assert.deepEqual(
        (await admin.listTopics()).filter((topic) => topic.startsWith('c-')),
        [],
      );
      await (await start(t, 'c-')).system.stop(); // another data directory makes them
      await assert.rejects(start(t, 'c-', dataDir), { code: 'log.mismatch' });
    });
  },
);

async function makeTopic(admin: Admin, topic: string): Promise<void> {
  await eventually(`topic ${topic} is made`, async () => {
    const made = await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] }).catch(() => false);
    return made || undefined;
  });
}

async function sendOthers(topic: string, count: number): Promise<void> {
  const producer = clientOf(broker()).producer();
  await producer.connect();
  const messages = Array.from({ length: count }, (_, i) => ({ partition: i % 4, value: `other ${i}` }));
  await producer.send({ topic, messages });
  await producer.disconnect();
}
