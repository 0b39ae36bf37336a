/** Which log the configuration means: Kafka when brokers are named, the embedded one otherwise. */
import type { Clock } from '../clock.js';
import type { Config } from '../config/config.js';
import { roomOf } from '../data-dir.js';
import { openEmbeddedLog } from './embedded/embedded-log.js';
import { openEmbeddedWriter } from './embedded/writer.js';
import type { Log, LogWriter } from './log.js';

/**
 * The reading side. Makes the log if there is none yet, so that roles may start in any order. Throws
 * `config.invalid` when the number of partitions is not the one the log was made with, `log.corrupt`,
 * `log.unavailable`.
 */
export async function openLog(config: Config, _clock: Clock): Promise<Log> {
  return openEmbeddedLog({ dir: roomOf(config.dataDir, 'log'), partitions: config.partitions });
}

/** The writing side; besides the above throws `data-dir.in-use` when another process writes. */
export async function openLogWriter(config: Config, _clock: Clock): Promise<LogWriter> {
  return openEmbeddedWriter({
    dir: roomOf(config.dataDir, 'log'),
    partitions: config.partitions,
    segmentBytes: config.segmentBytes,
  });
}
