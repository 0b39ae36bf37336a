/**
 * Row `log`: appends and reads of the embedded log, and the throughput of our Kafka reader, decoding every fact, relative to kafkajs alone: a bare
 * `eachBatch` over the same topic that ignores the records.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import type { Pageview } from '../facts/fact.js';
import { decodeRecord, encodeRecord } from '../facts/record.js';
import { zeroOffsets } from '../log/cut.js';
import type { Log, LogWriter, NewRecord, RecordBatch } from '../log/log.js';
import { openLog, openLogWriter } from '../log/open-log.js';
import { UrlRules } from '../facts/url/normalize.js';
import { KafkaBroker, kafkaSkip } from '../test/kafka/broker.js';
import { readBare } from './bare-kafka.js';
import type { BenchOptions, BenchResult } from './row.js';

const targets = { appendPerSecond: 200_000, singlesPerSecond: 5000, kafkaRatio: 0.6 };
const batchSize = 1000;
const clients = 64;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const embedded = await measureEmbedded(quick ? 50_000 : 3_000_000, quick ? 5000 : 200_000);
  const kafka = await measureKafka(quick ? 20_000 : 1_000_000);
  const met =
    embedded.appendPerSecond >= targets.appendPerSecond &&
    embedded.singlesPerSecond >= targets.singlesPerSecond &&
    (kafka?.ratio ?? 1) >= targets.kafkaRatio;
  return {
    target:
      `append >= ${targets.appendPerSecond} facts/s, >= ${targets.singlesPerSecond} acknowledged single-fact appends/s ` +
      `with ${clients} clients, Kafka reader >= ${targets.kafkaRatio} of bare eachBatch`,
    met,
    ...(kafka === undefined ? {} : { ratio: kafka.ratio }),
    figures: { ...embedded, ...(kafka?.figures ?? { kafka: `not measured: ${String(kafkaSkip())}` }) },
  };
}

async function measureEmbedded(facts: number, singles: number) {
  const config = configWith({ dataDir: mkdtempSync(join(tmpdir(), 'swa-bench-')) });
  try {
    openDataDir(config);
    const writer = await openLogWriter(config, systemClock);
    const batch = sampleRecords();
    const appendSeconds = await seconds(() => append(writer, batch, facts, 4));
    const oneByOneSeconds = await seconds(() => append(writer, batch, facts / 10, 1));
    const singleSeconds = await seconds(() => appendSingles(writer, batch, singles));
    const latest = await writer.latest();
    const total = Object.values(latest).reduce((sum, next) => sum + next, 0);
    await writer.close();
    const log = await openLog(config, systemClock);
    const readSeconds = await seconds(() => read(log, total, () => undefined));
    const decodeSeconds = await seconds(() => read(log, total, decodeAll));
    await log.close();
    return {
      appendPerSecond: Math.round(facts / appendSeconds),
      appendOneAtATimePerSecond: Math.round(facts / 10 / oneByOneSeconds),
      singlesPerSecond: Math.round(singles / singleSeconds),
      readPerSecond: Math.round(total / readSeconds),
      readAndDecodePerSecond: Math.round(total / decodeSeconds),
      bytesPerFact: batch[0]?.value.length ?? 0,
    };
  } finally {
    rmSync(config.dataDir, { recursive: true, force: true });
  }
}

/** Several callers append, each waiting until its batch is durable. */
async function append(
  writer: LogWriter,
  batch: readonly NewRecord[],
  facts: number,
  callers: number,
): Promise<void> {
  let left = facts / batch.length;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await writer.append(batch);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function appendSingles(writer: LogWriter, batch: readonly NewRecord[], count: number): Promise<void> {
  let left = count;
  const client = async (): Promise<void> => {
    while (left-- > 0) await writer.append([batch[left % batch.length] ?? sampleRecord(0)]);
  };
  await Promise.all(Array.from({ length: clients }, client));
}

async function read(log: Log, total: number, use: (batch: RecordBatch) => void): Promise<void> {
  const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'bench' });
  for (let seen = 0; seen < total;) {
    const batches = await reader.next({ maxRecords: 20_000, timeoutMs: 10_000 });
    if (batches.length === 0) throw new Error(`only ${seen} of ${total} records came`);
    for (const batch of batches) {
      seen += batch.values.length;
      use(batch);
    }
  }
  await reader.close();
}

function decodeAll(batch: RecordBatch): void {
  for (const value of batch.values) {
    if (decodeRecord(value, batch.topic).type !== 'pageview')
      throw new Error('a fact came back as something else');
  }
}

/** undefined if no broker is installed. */
async function measureKafka(facts: number) {
  if (kafkaSkip() !== false) return undefined;
  const broker = await KafkaBroker.start();
  try {
    const config = configWith({ kafkaBrokers: [broker.address] });
    const log = await openLogWriter(config, systemClock);
    const appendSeconds = await seconds(() => append(log, sampleRecords(), facts, 4));
    await readBare(config, facts, () => undefined); // both sides read from a warm page cache
    const bareSeconds = await seconds(() => readBare(config, facts, () => undefined));
    const ownSeconds = await seconds(() => read(log, facts, decodeAll));
    await log.close();
    return {
      ratio: bareSeconds / ownSeconds,
      figures: {
        kafkaAppendPerSecond: Math.round(facts / appendSeconds),
        kafkaBareEachBatchPerSecond: Math.round(facts / bareSeconds),
        kafkaReadAndDecodePerSecond: Math.round(facts / ownSeconds),
      },
    };
  } finally {
    await broker.dispose();
  }
}

const urls = new UrlRules({ queryAllow: [] });

function sampleRecords(): NewRecord[] {
  return Array.from({ length: batchSize }, (_, i) => sampleRecord(i));
}

function sampleRecord(i: number): NewRecord {
  const fact: Pageview = {
    type: 'pageview',
    visitor: `cookie:${(i * 7919).toString(36)}`,
    url: `https://www.example.com/articles/${i % 300}`,
    timestamp: 1_760_000_000_000 + i,
    eventId: `0190f3c2-7c1e-7000-8000-${String(i).padStart(12, '0')}`,
    receivedAt: 1_760_000_000_100 + i,
  };
  return encodeRecord(fact, urls);
}

async function seconds(body: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await body();
  return (performance.now() - started) / 1000;
}
