/**
 * The reading side of the embedded log: durable on one machine, without a server. Any process may open any number of
 * readers, and the first one creates the log. Layout: layout.ts; how far readers may read: watermark.ts.
 */
import { join } from 'node:path';
import { OwnerLock, lockHeld } from '../../lib/files/owner-lock.js';
import { SwaError } from '../../lib/errors/errors.js';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  offset,
  type Log,
  type LogId,
  type LogReader,
  type Offsets,
  type PartitionName,
  type ReaderOptions,
  type Share,
  type ShareOptions,
} from '../log.js';
import { OpenReaders } from '../open-readers.js';
import { partitionsOf } from '../partitioner.js';
import { fixedShare } from '../share.js';
import { openFormat, type LogFormat } from './layout.js';
import { EmbeddedReader } from './reader.js';
import { recover } from './recover.js';
import { Segments } from './segments.js';
import { WatermarkReader, WatermarkWriter, currentWatermark } from './watermark.js';

export interface EmbeddedOptions {
  readonly dir: string;
  /** Number of partitions of topic pageviews: used when the log is created, checked on every later open. */
  readonly partitions: number;
  /** Path of the writer's lock; in `dir` by default. */
  readonly lockPath?: string;
  /** Called before a log is created; throws if there must be one already. */
  readonly beforeCreate?: () => void;
}

/** The files of an existing log; shared by the reading and writing sides. */
export interface LogFiles {
  readonly format: LogFormat;
  readonly segments: Segments;
  readonly partitions: readonly PartitionName[];
  readonly watermarkPath: string;
  readonly lockPath: string;
}

const recovery = 'the check of the log';

export function openLogFiles({ dir, partitions: count, beforeCreate, lockPath }: EmbeddedOptions): LogFiles {
  const format = openFormat(dir, count, beforeCreate);
  const partitions = partitionsOf(format.partitions);
  return {
    format,
    partitions,
    segments: new Segments(dir, format.logId, partitions.length),
    watermarkPath: join(dir, 'watermark'),
    lockPath: lockPath ?? join(dir, 'writer.lock'),
  };
}

/** Converts offsets by partition index to offsets by partition name. */
export function offsetsByName(
  { partitions }: Pick<LogFiles, 'partitions'>,
  offsets: readonly number[],
): Offsets {
  return Object.fromEntries(partitions.map((name, i) => [name, offset(offsets[i] ?? 0)]));
}

/**
 * Opens the reading side and creates the log if there is none yet. Throws `log.unavailable` (retryable) if the check of
 * the log by another process does not finish.
 */
export async function openEmbeddedLog(options: EmbeddedOptions): Promise<EmbeddedLog> {
  const files = openLogFiles(options);
  for (let attempt = 0; currentWatermark(files.watermarkPath) === undefined; attempt++) {
    if (attempt === 1000) {
      throw new SwaError(
        'log.unavailable',
        `timed out waiting for the check of the log in '${options.dir}'`,
        {
          retryable: true,
        },
      );
    }
    if (!recoverAsReader(files)) await sleep(20);
  }
  return new EmbeddedLog(files);
}

/**
 * Recovers the log if no writer has run since the machine started, because its end must be known before anyone reads.
 * Returns false if a writer or another reader is doing it.
 */
function recoverAsReader(files: LogFiles): boolean {
  const lock = OwnerLock.tryAcquire(files.lockPath, recovery);
  if (!(lock instanceof OwnerLock)) return false;
  try {
    const end = recover(files.segments, files.format, files.watermarkPath);
    new WatermarkWriter(files.watermarkPath, end).close();
    return true;
  } finally {
    lock.release();
  }
}

/** Takes the writer's lock. Waits for a running check; throws `data-dir.in-use` if there is another writer. */
export async function lockForWriting(files: LogFiles): Promise<OwnerLock> {
  const what = 'the writer of the log';
  for (let attempt = 0; ; attempt++) {
    const taken = OwnerLock.tryAcquire(files.lockPath, what);
    if (taken instanceof OwnerLock) return taken;
    if (taken.what !== recovery || attempt === 1000) throw lockHeld(files.lockPath, what, taken);
    await sleep(20);
  }
}

export class EmbeddedLog implements Log {
  readonly id: LogId;
  readonly partitions: readonly PartitionName[];
  readonly #files: LogFiles;
  readonly #watermark: WatermarkReader;
  readonly #readers = new OpenReaders();
  #closed = false;

  constructor(files: LogFiles) {
    this.id = files.format.logId;
    this.partitions = files.partitions;
    this.#files = files;
    this.#watermark = new WatermarkReader(files.watermarkPath, files.partitions.length);
  }

  async earliest(): Promise<Offsets> {
    this.#checkOpen();
    return offsetsByName(this.#files, this.#files.segments.earliest());
  }

  async latest(): Promise<Offsets> {
    this.#checkOpen();
    return offsetsByName(this.#files, this.#watermark.read().next);
  }

  async openReader({ from }: ReaderOptions): Promise<LogReader> {
    this.#checkOpen();
    const unknown = Object.keys(from).find((name) => !this.partitions.some((own) => own === name));
    if (unknown !== undefined) {
      throw new SwaError('log.mismatch', `the log has no partition ${unknown}`, { context: { from } });
    }
    const watermark = new WatermarkReader(this.#files.watermarkPath, this.partitions.length);
    const reader = new EmbeddedReader(this.#files.segments, watermark, this.partitions, from);
    try {
      await reader.seek();
    } catch (error) {
      await reader.close();
      throw error;
    }
    return this.#readers.add(reader);
  }

  async share(options: ShareOptions): Promise<Share> {
    this.#checkOpen();
    return fixedShare(this.partitions, options);
  }

  /** Closes the log and its readers. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#readers.closeAll();
    this.#watermark.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new SwaError('log.closed', 'cannot use the log: it is closed');
  }
}
