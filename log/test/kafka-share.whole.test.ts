/** Sharing partitions through a consumer group of a real Kafka broker. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { openKafkaLog } from '../kafka/kafka-log.js';
import { KafkaMemory } from '../kafka/memory.js';
import type { LogWriter, Share } from '../log.js';
import { startConsumer } from '../../test/kafka/tools.js';
import { suiteBroker } from '../../test/kafka/suite-broker.js';
import { suitePartitions } from './log-conformance.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

const { skip, broker } = suiteBroker();

function open(topicPrefix: string, memory?: KafkaMemory): Promise<LogWriter> {
  return openKafkaLog({
    ...(memory === undefined ? {} : { memory }),
    brokers: [broker().address],
    topicPrefix,
    partitions: suitePartitions,
    replication: 1,
    minRetentionMs: 0,
    tls: false,
    sasl: undefined,
  });
}

const ascending = (a: number, b: number): number => a - b;
const byText = (a: string, b: string): number => (a < b ? -1 : 1);
const join = (log: LogWriter): Promise<Share> => log.share({ group: 'workers', members: 1, member: 0 });

/** Waits until the shares have these sizes, in any order, and together contain every partition once. */
async function untilDealt(log: LogWriter, shares: readonly Share[], sizes: readonly number[]): Promise<void> {
  const owned = (): (readonly string[])[] => shares.map((share) => share.partitions());
  await eventually(
    () => `shares of ${sizes.join()}: ${JSON.stringify(owned())}`,
    () => {
      const isWhole = owned().flat().toSorted(byText).join() === log.partitions.toSorted(byText).join();
      const found = owned().map((names) => names.length);
      return isWhole && found.toSorted(ascending).join() === sizes.toSorted(ascending).join();
    },
  );
}

test(
  'members share all partitions, a newcomer gets some, and a leaver gives all at once',
  { skip },
  async () => {
    const log = await open(`t${randomUUID().slice(0, 8)}-`);
    const first = await join(log);
    await untilDealt(log, [first], [4]);
    const second = await join(log);
    await untilDealt(log, [first, second], [2, 2]);
    const had = first.partitions();
    const third = await join(log);
    await untilDealt(log, [first, second, third], [2, 1, 1]);
    for (const name of first.partitions())
      assert.ok(had.includes(name), 'a remaining member gets nothing new');
    await first.leave();
    await untilDealt(log, [second, third], [2, 2]);
    await Promise.all([second.leave(), third.leave()]);
    await log.close();
  },
);

test(
  'a share outlives a crash of the broker: afterwards its members have what they had',
  { skip },
  async () => {
    const log = await open(`t${randomUUID().slice(0, 8)}-`);
    const shares = [await join(log), await join(log)];
    await untilDealt(log, shares, [2, 2]);
    const had = shares.map((share) => share.partitions());
    await broker().stop('SIGKILL');
    await broker().resume();
    const later = await join(log);
    await untilDealt(log, [...shares, later], [2, 1, 1]);
    await later.leave();
    await untilDealt(log, shares, [2, 2]);
    for (const [i, share] of shares.entries()) {
      const common = share.partitions().filter((name) => had[i]?.includes(name) === true);
      assert.ok(common.length > 0, 'something stayed');
    }
    await Promise.all(shares.map((share) => share.leave()));
    await log.close();
  },
);

for (const protocol of ['classic', 'consumer'] as const) {
  test(
    `a stranger (group.protocol=${protocol}) is kept out of the group; one that was there first is named, and waited for`,
    { skip },
    async (t) => {
      const prefix = `t${randomUUID().slice(0, 8)}-`;
      const log = await open(prefix);
      t.after(() => log.close());
      const enter = (): ReturnType<typeof startConsumer> => {
        const stranger = startConsumer(broker(), `${prefix}pageviews`, `${prefix}workers`, protocol);
        t.after(() => stranger.kill('SIGKILL'));
        return stranger;
      };
      const early = enter();
      const client = await untilMember(prefix, protocol);
      const share = await join(log);
      t.after(() => share.leave());
      await eventually('the stranger is named', () =>
        (share.trouble?.()?.message ?? '').includes('in the group now'),
      );
      assert.deepEqual(share.partitions(), []);
      const { message = '', hint = '' } = share.trouble?.() ?? {};
      assert.match(message, client === undefined ? /the newer group protocol/ : new RegExp(`client '${client}' at 127\\.0\\.0\\.1 \\(${client}-`)); // prettier-ignore
      assert.match(hint, new RegExp(`--bootstrap-server \\S+ --describe --members --group ${prefix}workers`));
      early.kill('SIGTERM');
      await untilDealt(log, [share], [4]);
      assert.equal(share.trouble?.(), undefined);

      const late = enter();
      let said = '';
      late.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      await once(late, 'close');
      assert.match(said, /InconsistentGroupProtocolException|GroupIdNotFoundException/);
      assert.equal(share.partitions().length, 4);
    },
  );
}

test(
  'members of two data directories do not share: each directory has every partition',
  { skip },
  async (t) => {
    const prefix = `t${randomUUID().slice(0, 8)}-`;
    const shares: Share[] = [];
    const logs: LogWriter[] = [];
    for (const dataDir of [makeDataDir(), makeDataDir()]) {
      for (let i = 0; i < 2; i++) {
        const log = await open(prefix, new KafkaMemory(dataDir));
        t.after(() => log.close());
        logs.push(log);
        const share = await join(log);
        t.after(() => share.leave());
        shares.push(share);
      }
    }
    const [log] = logs;
    assert.ok(log !== undefined);
    await untilDealt(log, shares.slice(0, 2), [2, 2]);
    await untilDealt(log, shares.slice(2), [2, 2]);
  },
);

function makeDataDir(): string {
  const dataDir = tempDir('share');
  for (const room of ['log', 'master']) mkdirSync(joinPath(dataDir, room));
  return dataDir;
}

/** Waits until the foreign consumer is in the group; returns its client id, if our client can find it. */
async function untilMember(prefix: string, protocol: 'classic' | 'consumer'): Promise<string | undefined> {
  const kafka = new kafkajs.Kafka({ brokers: [broker().address], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    if (protocol === 'consumer') {
      await eventually('the group exists', async () => (await admin.listGroups()).groups.some(({ groupId }) => groupId === `${prefix}workers`)); // prettier-ignore
      return undefined;
    }
    let found: string | undefined;
    await eventually('the stranger is a member', async () => {
      const { groups } = await admin.describeGroups([`${prefix}workers`]);
      found = groups[0]?.members[0]?.clientId;
      return found !== undefined;
    });
    return found;
  } finally {
    await admin.disconnect();
  }
}
