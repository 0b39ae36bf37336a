/** Which log the configuration means: Kafka when brokers are named, the embedded one otherwise. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import type { Clock } from '../clock.js';
import { roomOf } from '../data-dir.js';
import { SwaError } from '../errors.js';
import { longestGapMs } from '../time/schedule.js';
import { openEmbeddedLog, type EmbeddedOptions } from './embedded/embedded-log.js';
import { openEmbeddedWriter } from './embedded/writer.js';
import type { KafkaLogOptions } from './kafka/kafka-log.js';
import { KafkaMemory } from './kafka/memory.js';
import type { Log, LogWriter } from './log.js';

/**
 * The reading side. Makes the log if there is none yet, so that roles may start in any order. Throws
 * `config.invalid` when the log was made with other partitions, or Kafka keeps facts for less than three batch
 * intervals; `log.corrupt`; `log.unavailable`.
 */
export async function openLog(config: Config, _clock: Clock): Promise<Log> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedLog(embeddedOptions(config));
}

/** The writing side; besides the above throws `data-dir.in-use` when another process writes the embedded log. */
export async function openLogWriter(config: Config, _clock: Clock): Promise<LogWriter> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedWriter({ ...embeddedOptions(config), segmentBytes: config.segmentBytes });
}

function embeddedOptions({ dataDir, partitions }: Config): EmbeddedOptions {
  const lockPath = join(roomOf(dataDir, 'locks'), 'log-writer.lock');
  return { dir: roomOf(dataDir, 'log'), partitions, lockPath };
}

async function openKafka(config: Config): Promise<LogWriter> {
  const { openKafkaLog } = await import('./kafka/kafka-log.js'); // only who uses Kafka loads its client
  return openKafkaLog({ ...kafkaOptions(config), memory: new KafkaMemory(config.dataDir) });
}

/** What the SWA_KAFKA_* keys say. */
export function kafkaOptions(config: Config): KafkaLogOptions {
  const mechanism = config.kafkaSaslMechanism;
  return {
    brokers: config.kafkaBrokers,
    topicPrefix: config.kafkaTopicPrefix,
    replication: config.kafkaReplication,
    partitions: config.partitions,
    leastRetentionMs: 3 * longestGapMs(config.batchSchedule, config.batchTimeZone),
    tls: config.kafkaTls && { ca: config.kafkaCaFile === '' ? [] : [readCa(config.kafkaCaFile)] },
    sasl:
      mechanism === ''
        ? undefined
        : { mechanism, username: config.kafkaSaslUsername, password: config.kafkaSaslPassword },
  };
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SwaError('config.invalid', `SWA_KAFKA_CA_FILE '${path}' cannot be read`, { cause });
  }
}
