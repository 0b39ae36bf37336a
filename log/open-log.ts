/** Opens the log that the configuration names: Kafka if brokers are set, otherwise the embedded one. */
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
import { storedEnd, storedLogId, evidenceOfLog } from './stored.js';

/**
 * Opens the reading side. Creates the log in a fresh data directory, so roles may start in any order. Throws
 * `config.invalid` if the log was created with another number of partitions, or if Kafka keeps facts for less than
 * three batch intervals; `log.missing` if a log that existed is gone; `log.corrupt`; `log.unavailable`.
 */
export async function openLog(config: Config, _clock: Clock): Promise<Log> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedLog(embeddedOptions(config));
}

/** Like `openLog`, for read-only use: creates nothing, and throws `log.missing` if there is no log yet. */
export async function openExistingLog(config: Config): Promise<Log> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedLog({
    ...embeddedOptions(config),
    beforeCreate: () => {
      refuseSecondLog(config.dataDir);
      throw new SwaError('log.missing', `there is no log in '${config.dataDir}' yet`, {
        hint: 'SWA_DATA_DIR names the data directory; `swa start` makes one',
      });
    },
  });
}

/**
 * Opens the writing side. Throws what `openLog` throws, and `data-dir.in-use` if another process writes the embedded
 * log.
 */
export async function openLogWriter(config: Config, _clock: Clock): Promise<LogWriter> {
  if (config.kafkaBrokers.length > 0) return openKafka(config);
  return openEmbeddedWriter({
    ...embeddedOptions(config),
    segmentBytes: config.segmentBytes,
    checkContinuation: (id, next) => requireSuccession(config.dataDir, id, next),
  });
}

function embeddedOptions({ dataDir, partitions }: Config): EmbeddedOptions {
  return {
    dir: roomOf(dataDir, 'log'),
    partitions,
    lockPath: logLockPath(dataDir),
    beforeCreate: () => refuseSecondLog(dataDir),
  };
}

/** Path of the lock of the embedded log's writer. */
export function logLockPath(dataDir: string): string {
  return join(roomOf(dataDir, 'locks'), 'log-writer.lock');
}

/**
 * Throws `log.missing` if this data directory had a log before. A new log would acknowledge facts at offsets that the
 * master dataset already has, and those facts would never be stored.
 */
export function refuseSecondLog(dataDir: string): void {
  const trace = evidenceOfLog(dataDir);
  if (trace === undefined) return;
  throw new SwaError(
    'log.missing',
    `${join(roomOf(dataDir, 'log'), 'format.json')} is missing, but ${trace} shows that this data directory had a log`,
    { hint: lostLogHint },
  );
}

const lostLogHint =
  'restore log/ from a backup, or stop the system and run `swa recover` to see how to continue after the end of the master dataset';

/**
 * Throws `log.mismatch` if the log is not the one the master dataset was made from, or ends before the master dataset
 * does.
 */
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
  const { openKafkaLog } = await import('./kafka/kafka-log.js'); // load the Kafka client only when it is used
  return openKafkaLog({ ...kafkaOptions(config), memory: new KafkaMemory(config.dataDir) });
}

/** Options from the SWA_KAFKA_* keys. */
function kafkaOptions(config: Config): KafkaLogOptions {
  const mechanism = config.kafkaSaslMechanism;
  return {
    brokers: config.kafkaBrokers,
    topicPrefix: config.kafkaTopicPrefix,
    replication: config.kafkaReplication,
    partitions: config.partitions,
    minRetentionMs: 3 * longestGapMs(config.batchSchedule, config.batchTimeZone),
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
