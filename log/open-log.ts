/** Which log the configuration means: Kafka when brokers are named, the embedded one otherwise. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../lib/config/config.js';
import type { Clock } from '../lib/time/clock.js';
import { roomOf } from '../lib/files/data-dir.js';
import { SwaError } from '../lib/errors/errors.js';
import { longestGapMs } from '../lib/time/schedule.js';
import { checkLogId, namesOf, offsetAt } from './cut.js';
import { openEmbeddedLog, type EmbeddedOptions } from './embedded/embedded-log.js';
import { openEmbeddedWriter } from './embedded/writer.js';
import type { KafkaLogOptions } from './kafka/kafka-log.js';
import { KafkaMemory } from './kafka/memory.js';
import type { Log, LogId, LogWriter, Offsets } from './log.js';
import { storedEnd, storedLogId, traceOfLog } from './stored.js';

/**
 * The reading side. Makes the log in a fresh data directory, so that roles may start in any order. Throws
 * `config.invalid` when the log was made with other partitions, or Kafka keeps facts for less than three batch
 * intervals; `log.missing` when it is gone; `log.corrupt`; `log.unavailable`.
 */
export async function openLog(config: Config, _clock: Clock): Promise<Log> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedLog(embeddedOptions(config));
}

/** The same for who only looks: makes nothing. Throws `log.missing` when there is no log yet, too. */
export async function openExistingLog(config: Config): Promise<Log> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedLog({
    ...embeddedOptions(config),
    mayMake: () => {
      refuseSecondLog(config.dataDir);
      throw new SwaError('log.missing', `there is no log in '${config.dataDir}' yet`, {
        hint: 'SWA_DATA_DIR names the data directory; `swa start` makes one',
      });
    },
  });
}

/** The writing side; besides the above throws `data-dir.in-use` when another process writes the embedded log. */
export async function openLogWriter(config: Config, _clock: Clock): Promise<LogWriter> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedWriter({
    ...embeddedOptions(config),
    segmentBytes: config.segmentBytes,
    mayGoOn: (id, next) => requireSuccession(config.dataDir, id, next),
  });
}

function embeddedOptions({ dataDir, partitions }: Config): EmbeddedOptions {
  return {
    dir: roomOf(dataDir, 'log'),
    partitions,
    lockPath: logLockPath(dataDir),
    mayMake: () => refuseSecondLog(dataDir),
  };
}

/** The lock of the embedded log's writer. */
export function logLockPath(dataDir: string): string {
  return join(roomOf(dataDir, 'locks'), 'log-writer.lock');
}

/**
 * Throws `log.missing` where there was a log: one that was rebuilt would acknowledge facts at offsets that the master dataset has
 * already, and never stores again.
 */
export function refuseSecondLog(dataDir: string): void {
  const trace = traceOfLog(dataDir);
  if (trace === undefined) return;
  throw new SwaError(
    'log.missing',
    `${join(roomOf(dataDir, 'log'), 'format.json')} is missing, but ${trace} shows that this data directory had a log`,
    { hint: lostLogHint },
  );
}

const lostLogHint =
  'restore log/ from a backup, or stop the system and run `swa recover` to see how to continue after the end of the master dataset';

/** Refuses to append to a log that is another one than the master dataset's, or ends before what that has already. */
function requireSuccession(dataDir: string, id: LogId, next: Offsets): void {
  const stored = storedLogId(dataDir);
  if (stored !== undefined) checkLogId(id, stored, 'the master dataset');
  for (const name of namesOf(next)) {
    const end = storedEnd(dataDir, name);
    if (end <= offsetAt(next, name)) continue;
    throw new SwaError(
      'log.mismatch',
      `the log ends at offset ${next[name]} of ${name}, but the master dataset has facts up to ${end}: the log has lost records`,
      { hint: lostLogHint },
    );
  }
}

async function openKafka(config: Config): Promise<LogWriter> {
  const { openKafkaLog } = await import('./kafka/kafka-log.js'); // only who uses Kafka loads its client
  return openKafkaLog({ ...kafkaOptions(config), memory: new KafkaMemory(config.dataDir) });
}

/** What the SWA_KAFKA_* keys say. */
function kafkaOptions(config: Config): KafkaLogOptions {
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
