/**
 * Row `speed-kafka`: row `speed` over a real Kafka broker. From the log to a committed realtime view, against kafkajs alone reading and decoding the
 * same topic with an empty handler, in turns within one run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../lib/time/clock.js';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { decodeRecord } from '../facts/record.js';
import { openLog } from '../log/open-log.js';
import { KafkaBroker, kafkaSkip } from '../test/kafka/broker.js';
import { readBare } from './bare-kafka.js';
import type { BenchOptions, BenchResult } from './row.js';
import { catchUp, fill } from './speed.js';
import { minimum, measureWork, type WorkTime } from './work-time.js';

const targetRatio = 0.6;
const target = `>= ${targetRatio} of kafkajs reading and decoding`;

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  const skip = kafkaSkip();
  if (skip !== false) return { target, met: false, figures: { kafka: `not measured: ${skip}` } };
  const facts = quick ? 100_000 : 1_000_000;
  const rounds = quick ? 1 : 3;
  const broker = await KafkaBroker.start();
  const config = configWith({
    dataDir: mkdtempSync(join(tmpdir(), 'swa-bench-')),
    kafkaBrokers: [broker.address],
  });
  try {
    openDataDir(config);
    const genesis = await fill(config, facts);
    const log = await openLog(config, systemClock);
    await readBare(config, facts, () => undefined); // both sides read from a warm page cache
    const times = { read: [] as WorkTime[], view: [] as WorkTime[] };
    for (let round = 0; round < rounds; round++) {
      times.read.push(
        await measureWork(() => readBare(config, facts, (value) => void decodeRecord(value, 'pageviews'))),
      );
      rmSync(join(config.dataDir, 'speed'), { recursive: true, force: true });
      times.view.push(await measureWork(() => catchUp(config, log, genesis)));
    }
    await log.close();
    const [read, view] = [minimum(times.read), minimum(times.view)];
    const ratio = read.seconds / view.seconds;
    return {
      target,
      met: ratio >= targetRatio,
      ratio,
      figures: {
        facts,
        readAndDecodePerSecond: Math.round(facts / read.seconds),
        committedPerSecond: Math.round(facts / view.seconds),
        ratioOfProcessorTime: Math.round((1_000 * read.processorSeconds) / view.processorSeconds) / 1_000,
      },
    };
  } finally {
    await broker.dispose();
    rmSync(config.dataDir, { recursive: true, force: true });
  }
}
