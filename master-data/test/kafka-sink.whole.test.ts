/** The sink over a real Kafka broker: exactly once across stops, starts and a broker that goes away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDataDir } from '../../lib/files/data-dir.js';
import { encodeRecord } from '../../facts/record.js';
import { openLogWriter } from '../../log/open-log.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { KafkaBroker, kafkaSkip } from '../../test/kafka/broker.js';
import { waitForMaster } from '../flush-request.js';
import { drainLogToMaster, startSink } from '../role.js';
import { takeSnapshot } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { contextOf, equiv, pageview, readRows } from './fixture.js';
import { tempDir } from '../../test/temp-dir.js';

const urls = new UrlRules({ queryAllow: [] });

test(
  'over Kafka every record is in exactly one row, across restarts of the sink and of the broker',
  { skip: kafkaSkip() },
  async (t) => {
    const broker = await KafkaBroker.start();
    t.after(() => broker.dispose());
    const dataDir = tempDir('kafka-sink');
    const context = contextOf(dataDir, { kafkaBrokers: [broker.address], batchSchedule: 'off' });
    openDataDir(context.config);
    const log = await openLogWriter(context.config, context.clock);
    t.after(() => log.close());
    const eventIds = new Set<string>();
    const append = async (from: number): Promise<void> => {
      const facts = Array.from({ length: 400 }, (_, i) =>
        i % 9 === 0 ? equiv(from + i) : pageview(from + i),
      );
      await log.append(facts.map((fact) => encodeRecord(fact, urls)));
      for (const fact of facts) eventIds.add(fact.eventId);
    };

    await append(0);
    await drainLogToMaster(context, { log });
    await append(1000);
    const sink = await startSink(context);
    t.after(() => sink.stop());
    await waitForMaster(dataDir, await log.latest(), { timeoutMs: 60_000 });
    await broker.stop('SIGKILL');
    await broker.resume();
    await append(2000);
    await waitForMaster(dataDir, await log.latest(), { timeoutMs: 60_000 });
    await sink.stop();

    const audit = await verifyMaster(dataDir, log);
    assert.deepEqual(audit.problems, []);
    assert.deepEqual(audit.cut?.next, await log.latest());
    const { files } = takeSnapshot(dataDir);
    const rows = [...(await readRows(files, 'pageviews')), ...(await readRows(files, 'equivs'))];
    // The producer may have appended some twice while the broker was away; each of those has its own offset.
    assert.deepEqual(new Set(rows.map((row) => row['event_id'])), eventIds);
  },
);
