/**
 * The writing side of the embedded log, with group commit: while one fdatasync is in progress, appends are queued, and
 * the next commit takes all of them. An append is acknowledged after its commit is durable and the watermark lets
 * readers see it.
 *
 * Errors do not stop the log. A write that fails (disk full) is cut off, and the next append tries again. After a
 * failed sync the segment is never written again, and the next commit starts a new one.
 */
import { closeSync, fdatasync, openSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { createFile, writeFully } from '../../lib/files/durable.js';
import { cutUnacknowledged, removeReplaced, removeScratch } from '../../lib/files/removal.js';
import type { OwnerLock } from '../../lib/files/owner-lock.js';
import { offsetAt } from '../cut.js';
import type {
  LogId,
  LogReader,
  LogWriter,
  NewRecord,
  Offsets,
  OverwriteOptions,
  PartitionName,
  ReaderOptions,
  Share,
  ShareOptions,
} from '../log.js';
import { GroupCommit } from '../group-commit.js';
import { writePieces, type WritePiece } from '../write-pieces.js';
import { CommitEncoder } from '../arrays/commit.js';
import {
  EmbeddedLog,
  lockForWriting,
  offsetsByName,
  openLogFiles,
  type EmbeddedOptions,
  type LogFiles,
} from './embedded-log.js';
import { corrupt, encodeSegmentHeader } from './layout.js';
import { copyPath, overwriteSegment } from './overwrite.js';
import { recover } from './recover.js';
import { WatermarkWriter, type Watermark } from './watermark.js';

const syncData = promisify(fdatasync);

export interface EmbeddedWriterOptions extends EmbeddedOptions {
  readonly segmentBytes: number;
  /** Called with the log's id and next offsets before anything is appended. Throws if the log must not continue. */
  readonly checkContinuation?: (id: LogId, next: Offsets) => void;
}

/**
 * Takes the writer's lock and recovers the log. Throws `data-dir.in-use`, `log.corrupt`, and what the options throw.
 */
export async function openEmbeddedWriter(options: EmbeddedWriterOptions): Promise<LogWriter> {
  const files = openLogFiles(options);
  const lock = await lockForWriting(files);
  try {
    const end = recover(files.segments, files.format, files.watermarkPath);
    for (const number of files.segments.numbers()) removeScratch(copyPath(files.segments.path(number)));
    options.checkContinuation?.(files.format.logId, offsetsByName(files, end.next));
    return new EmbeddedLogWriter(files, lock, end, options.segmentBytes);
  } catch (error) {
    lock.release();
    throw error;
  }
}

class EmbeddedLogWriter implements LogWriter {
  readonly id: LogId;
  readonly partitions: readonly PartitionName[];
  readonly #files: LogFiles;
  readonly #lock: OwnerLock;
  readonly #reading: EmbeddedLog;
  readonly #watermark: WatermarkWriter;
  readonly #encoder: CommitEncoder;
  readonly #segmentBytes: number;
  #end: Watermark;
  #fd: number;
  /** True after a failed sync of the current segment, which must not be written again. */
  #spoiled = false;
  readonly #commits: GroupCommit<WritePiece>;
  /** True if the next commit starts a new segment. */
  #endsSegment = false;
  #closed = false;

  constructor(files: LogFiles, lock: OwnerLock, end: Watermark, segmentBytes: number) {
    this.id = files.format.logId;
    this.partitions = files.partitions;
    this.#files = files;
    this.#lock = lock;
    this.#end = end;
    this.#segmentBytes = segmentBytes;
    this.#encoder = new CommitEncoder(files.partitions.length);
    this.#fd = openSync(files.segments.path(end.segment), 'r+');
    this.#watermark = new WatermarkWriter(files.watermarkPath, end);
    this.#reading = new EmbeddedLog(files);
    this.#commits = new GroupCommit({
      commit: (group) => this.#commit(group),
      commitBytes: this.#encoder.limitBytes,
      waitingBytes: 64 * 2 ** 20,
      hint: 'free space on the disk of the data directory; the log resumes by itself',
    });
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    if (this.#closed) throw new SwaError('log.closed', 'cannot append: the log is closed');
    const pieces = writePieces(records, {
      pageviewPartitions: this.#files.format.partitions,
      overheadBytes: () => 4,
      pieceBytes: this.#encoder.limitBytes,
    });
    await Promise.all(pieces.map((piece) => this.#commits.add(piece)));
  }

  async trim(below: Offsets): Promise<void> {
    const { segments } = this.#files;
    const limits = this.partitions.map((name) => offsetAt(below, name));
    for (const number of segments.numbers()) {
      const following = number < this.#end.segment ? segments.header(number + 1) : undefined;
      if (following === undefined || following.base.some((base, i) => base > (limits[i] ?? 0))) break;
      // The caller has made sure that the facts below the cut are stored; the log continues with the next segment.
      removeReplaced([segments.path(number)], () => void segments.requireHeader(number + 1));
    }
  }

  async overwrite(options: OverwriteOptions): Promise<void> {
    const { segments } = this.#files;
    this.#endsSegment = this.#end.position > segments.firstFrame;
    await this.#commits.add({ records: [], partitions: new Uint16Array(), sizeBytes: 0 });
    const last = this.#end.segment;
    for (const number of segments.numbers().filter((each) => each < last)) {
      const following = segments.header(number + 1);
      if (following === undefined || segments.header(number) === undefined) continue; // trimmed meanwhile
      const path = segments.path(number);
      const segment = { path, end: following.previousEnd, firstFrame: segments.firstFrame };
      try {
        await overwriteSegment({ ...segment, partitions: this.partitions }, options);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error; // trimmed meanwhile
      }
    }
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

  share(options: ShareOptions): Promise<Share> {
    return this.#reading.share(options);
  }

  /** Commits queued appends, then closes the log and releases the lock. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#commits.drain();
    await this.#reading.close();
    closeSync(this.#fd);
    this.#watermark.close();
    this.#lock.release();
  }

  async #commit(group: readonly WritePiece[]): Promise<void> {
    if (this.#spoiled || this.#endsSegment || this.#end.position >= this.#segmentBytes) this.#startSegment();
    if (group.every(({ records }) => records.length === 0)) return;
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

  /** Removes what a failed commit left behind the durable end. */
  #cutBack(): void {
    try {
      cutUnacknowledged(this.#fd, this.#end.position, this.#end.position);
    } catch {
      this.#spoiled = true; // the next segment's header records where this one ends
    }
  }

  #startSegment(): void {
    const number = this.#end.segment + 1;
    const path = this.#files.segments.path(number);
    // A leftover of a failed attempt: no reader knows of it, and it holds no record.
    removeReplaced([path], () => {
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (size > this.#files.segments.firstFrame)
        throw corrupt(path, 'it holds records after the end of the log');
    });
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
    this.#endsSegment = false;
    this.#end = { segment: number, position: this.#files.segments.firstFrame, next: this.#end.next };
    this.#watermark.publish(this.#end); // also when no commit follows: trim may take the segment before
  }
}
