/**
 * The embedded log, writing side. Group commit: while one fdatasync is under way, appends gather, and the next commit
 * takes all of them, so many small appends share one sync. An append is acknowledged after its commit is durable and
 * the watermark lets readers see it.
 *
 * What fails, fails forward: a write that did not go through (disk full) is cut off again and the next append tries
 * anew; after a failed sync the segment is never written again, and the next commit starts a new one.
 */
import { closeSync, fdatasync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { SwaError, messageOf, systemCode } from '../../errors.js';
import { createFile, fsyncDir, writeFully } from '../../files/durable.js';
import type { OwnerLock } from '../../files/owner-lock.js';
import { offsetAt } from '../cut.js';
import type {
  LogId,
  LogReader,
  LogWriter,
  NewRecord,
  Offsets,
  PartitionName,
  ReaderOptions,
} from '../log.js';
import { partitionIndexOf } from '../partitioner.js';
import { CommitEncoder, type Pending } from './commit.js';
import { EmbeddedLog, lockForWriting, openPlace, type EmbeddedOptions, type Place } from './embedded-log.js';
import { encodeSegmentHeader } from './layout.js';
import { recover } from './recover.js';
import { WatermarkWriter, type Watermark } from './watermark.js';

const syncData = promisify(fdatasync);

/** Appends beyond this many waiting bytes are refused until the disk has caught up. */
const maxWaitingBytes = 64 * 2 ** 20;
/** Most bytes of one record. */
export const maxRecordBytes = 2 ** 20;

interface Waiting extends Pending {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface EmbeddedWriterOptions extends EmbeddedOptions {
  readonly segmentBytes: number;
}

/** Takes the writer's lock and makes the log whole. Throws `data-dir.in-use`, `log.corrupt`. */
export async function openEmbeddedWriter(options: EmbeddedWriterOptions): Promise<LogWriter> {
  const place = openPlace(options);
  const lock = await lockForWriting(place);
  try {
    const end = recover(place.segments, place.format, place.watermarkPath);
    return new EmbeddedLogWriter(place, lock, end, options.segmentBytes);
  } catch (error) {
    lock.release();
    throw error;
  }
}

class EmbeddedLogWriter implements LogWriter {
  readonly id: LogId;
  readonly partitions: readonly PartitionName[];
  readonly #place: Place;
  readonly #lock: OwnerLock;
  readonly #reading: EmbeddedLog;
  readonly #watermark: WatermarkWriter;
  readonly #encoder: CommitEncoder;
  readonly #segmentBytes: number;
  #end: Watermark;
  #fd: number;
  /** A sync of the current segment has failed: it must not be written again. */
  #spoiled = false;
  #queue: Waiting[] = [];
  #waitingBytes = 0;
  #committing: Promise<void> | undefined;
  #closed = false;

  constructor(place: Place, lock: OwnerLock, end: Watermark, segmentBytes: number) {
    this.id = place.format.logId;
    this.partitions = place.partitions;
    this.#place = place;
    this.#lock = lock;
    this.#end = end;
    this.#segmentBytes = segmentBytes;
    this.#encoder = new CommitEncoder(place.partitions.length);
    this.#fd = openSync(place.segments.path(end.segment), 'r+');
    this.#watermark = new WatermarkWriter(place.watermarkPath, end);
    this.#reading = new EmbeddedLog(place);
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    if (this.#closed) throw new SwaError('log.closed', 'cannot append: the log is closed');
    if (records.length === 0) return;
    // Slices are queued in order and committed in order: only the last need be waited for, but all may fail.
    await Promise.all(this.#prepare(records).map((pending) => this.#enqueue(pending)));
  }

  async trim(below: Offsets): Promise<void> {
    const { segments } = this.#place;
    const limits = this.partitions.map((name) => offsetAt(below, name));
    for (const number of segments.numbers()) {
      const following = number < this.#end.segment ? segments.header(number + 1) : undefined;
      if (following === undefined || following.base.some((base, i) => base > (limits[i] ?? 0))) break;
      rmSync(segments.path(number));
    }
    fsyncDir(segments.dir);
  }

  earliest(): Promise<Offsets> {
    return this.#reading.earliest();
  }

  latest(): Promise<Offsets> {
    return this.#reading.latest();
  }

  openReader(options: ReaderOptions): Promise<LogReader> {
    return this.#reading.openReader(options);
  }

  /** Commits what waits, then lets go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#committing;
    await this.#reading.close();
    closeSync(this.#fd);
    this.#watermark.close();
    this.#lock.release();
  }

  /** Partitions worked out, and cut into pieces that fit a commit. */
  #prepare(records: readonly NewRecord[]): Pending[] {
    const pieces: Pending[] = [];
    const partitions = new Uint16Array(records.length);
    let from = 0;
    let sizeBytes = 0;
    records.forEach((record, i) => {
      if (record.value.length > maxRecordBytes) {
        throw new SwaError(
          'fact.invalid',
          `a record of ${record.value.length} bytes is over ${maxRecordBytes}`,
        );
      }
      partitions[i] = partitionIndexOf(record, this.#place.format.partitions);
      const recordBytes = record.value.length + 4;
      if (sizeBytes + recordBytes > this.#encoder.limitBytes) {
        pieces.push({ records: records.slice(from, i), partitions: partitions.subarray(from, i), sizeBytes });
        from = i;
        sizeBytes = 0;
      }
      sizeBytes += recordBytes;
    });
    const whole = from === 0;
    pieces.push({
      records: whole ? records : records.slice(from),
      partitions: whole ? partitions : partitions.subarray(from),
      sizeBytes,
    });
    return pieces;
  }

  #enqueue(pending: Pending): Promise<void> {
    if (this.#waitingBytes > maxWaitingBytes) {
      return Promise.reject(unavailable(`${this.#waitingBytes} bytes wait for the disk already`));
    }
    this.#waitingBytes += pending.sizeBytes;
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...pending, resolve, reject });
      this.#committing ??= this.#commitAll().finally(() => (this.#committing = undefined));
    });
  }

  async #commitAll(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // appends of this turn of the loop go together
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#commit(group);
        for (const waiting of group) waiting.resolve();
      } catch (error) {
        const refusal = unavailable(systemCode(error) ?? messageOf(error), error);
        for (const waiting of group) waiting.reject(refusal);
      }
    }
  }

  #takeGroup(): Waiting[] {
    let sizeBytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (count > 0 && sizeBytes + waiting.sizeBytes > this.#encoder.limitBytes) break;
      sizeBytes += waiting.sizeBytes;
      count++;
    }
    this.#waitingBytes -= sizeBytes;
    return this.#queue.splice(0, count);
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    if (this.#spoiled || this.#end.position >= this.#segmentBytes) this.#startSegment();
    const { segment, position, next } = this.#end;
    const { bytes, counts } = this.#encoder.encode(group, position, next);
    try {
      writeFully(this.#fd, bytes, position);
    } catch (error) {
      this.#cutBack();
      throw error;
    }
    try {
      await syncData(this.#fd);
    } catch (error) {
      this.#spoiled = true; // the kernel may have dropped what it could not write
      this.#cutBack();
      throw error;
    }
    const end = {
      segment,
      position: position + bytes.length,
      next: next.map((offset, i) => offset + (counts[i] ?? 0)),
    };
    this.#watermark.publish(end);
    this.#end = end;
  }

  /** Takes away what a failed commit has left behind the durable end. */
  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.#end.position);
    } catch {
      this.#spoiled = true; // the next segment's header says where this one ends
    }
  }

  #startSegment(): void {
    const number = this.#end.segment + 1;
    const path = this.#place.segments.path(number);
    rmSync(path, { force: true }); // of an attempt that failed half-way; no reader has heard of it
    createFile(
      path,
      encodeSegmentHeader({
        number,
        logId: this.id,
        previousEnd: this.#end.position,
        base: this.#end.next,
      }),
    );
    const fd = openSync(path, 'r+');
    closeSync(this.#fd);
    this.#fd = fd;
    this.#spoiled = false;
    this.#end = { segment: number, position: this.#place.segments.firstFrame, next: this.#end.next };
  }
}

function unavailable(why: string, cause?: unknown): SwaError {
  return new SwaError('log.unavailable', `the log cannot take records now: ${why}`, {
    cause,
    retryable: true,
    hint: 'free space on the disk of the data directory; the log resumes by itself',
  });
}
