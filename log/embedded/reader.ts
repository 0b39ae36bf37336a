/**
 * A cursor over the embedded log. All partitions share the segments, so a reader of several partitions reads each byte
 * once and skips the frames of other partitions. Records are views on the read buffer, not copies: keeping one keeps
 * its whole chunk (1 MiB) in memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { offsetAt } from '../cut.js';
import {
  offset,
  parsePartitionName,
  type LogReader,
  type Offset,
  type Offsets,
  type PartitionName,
  type ReadOptions,
  type RecordBatch,
} from '../log.js';
import { decodeFrame, frameBytes, frameHeaderBytes, type Frame } from '../arrays/frame.js';
import { corrupt } from './layout.js';
import type { Segments } from './segments.js';
import type { Watermark, WatermarkReader } from './watermark.js';

const chunkBytes = 2 ** 20;
const notRead = -1;
const empty = Buffer.alloc(0);

export class EmbeddedReader implements LogReader {
  readonly #segments: Segments;
  readonly #watermark: WatermarkReader;
  readonly #partitions: readonly PartitionName[];
  /** Next offset to read by partition index; `notRead` for partitions this reader does not read. */
  readonly #next: number[];
  #segment = 0;
  #file: FileHandle | undefined;
  /** Bytes of the segment from `#chunkStart` on; the next frame is at `#at`. */
  #chunk: Buffer = empty;
  #chunkStart = 0;
  #at = 0;
  #frame: Frame | undefined;
  #closed = false;

  constructor(
    segments: Segments,
    watermark: WatermarkReader,
    partitions: readonly PartitionName[],
    from: Partial<Offsets>,
  ) {
    this.#segments = segments;
    this.#watermark = watermark;
    this.#partitions = partitions;
    this.#next = partitions.map((name) => (from[name] === undefined ? notRead : offsetAt(from, name)));
  }

  /**
   * Finds the start position. Throws `log.out-of-range` if it was trimmed away, `log.mismatch` if the log never reached
   * it.
   */
  async seek(): Promise<void> {
    const { next } = this.#watermark.read();
    this.#next.forEach((wanted, i) => {
      if (wanted > (next[i] ?? 0)) throw this.#beyondEnd(i, next[i] ?? 0);
    });
    await this.#openSegment(this.#findSegment());
  }

  async next({ maxRecords, timeoutMs, signal }: ReadOptions): Promise<readonly RecordBatch[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.#closed) throw new SwaError('log.closed', 'cannot read: this reader is closed');
      const batches = await this.#read(maxRecords);
      if (batches.length > 0) return batches;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || signal?.aborted === true) return [];
      await this.#watermark.wait(leftMs, signal);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watermark.close();
    await this.#file?.close();
  }

  /** Reads what is available now, up to `maxRecords`. */
  async #read(maxRecords: number): Promise<RecordBatch[]> {
    const durable = this.#watermark.read();
    const collected = new Map<number, { offsets: Offset[]; values: Uint8Array[] }>();
    for (let left = maxRecords; left > 0;) {
      const frame = await this.#nextFrame(durable);
      if (frame === undefined) break;
      const wanted = this.#next[frame.partition] ?? notRead;
      if (wanted === notRead || wanted >= frame.base + frame.count) {
        this.#pass(frame);
        continue;
      }
      let batch = collected.get(frame.partition);
      if (batch === undefined) collected.set(frame.partition, (batch = { offsets: [], values: [] }));
      left -= this.#take(frame, left, batch.offsets, batch.values);
    }
    return [...collected].map(([partition, batch]) => this.#batch(partition, batch.offsets, batch.values));
  }

  /** Adds up to `most` records of the frame, starting at the wanted offset, and returns how many. */
  #take(frame: Frame, most: number, offsets: Offset[], values: Uint8Array[]): number {
    const chunk = this.#chunk;
    const wanted = this.#next[frame.partition] ?? 0;
    const skip = wanted - frame.base;
    if (skip < 0)
      throw corrupt(this.#segments.path(this.#segment), `records before offset ${frame.base} are missing`);
    const count = Math.min(frame.count - skip, most);
    let lengthAt = this.#at + frameHeaderBytes;
    let valueAt = lengthAt + 4 * frame.count;
    for (let i = 0; i < skip; i++, lengthAt += 4) valueAt += chunk.readUInt32LE(lengthAt);
    for (let i = 0; i < count; i++, lengthAt += 4) {
      const end = valueAt + chunk.readUInt32LE(lengthAt);
      offsets.push((wanted + i) as Offset); // branding without a check in the hot loop: base is a checked offset
      values.push(chunk.subarray(valueAt, end));
      valueAt = end;
    }
    this.#next[frame.partition] = wanted + count;
    if (skip + count === frame.count) this.#pass(frame);
    return count;
  }

  #pass(frame: Frame): void {
    this.#at = frame.end;
    this.#frame = undefined;
  }

  #batch(index: number, offsets: Offset[], values: Uint8Array[]): RecordBatch {
    const name = this.#nameOf(index);
    return {
      ...parsePartitionName(name),
      name,
      offsets,
      values,
      nextOffset: offset(this.#next[index] ?? 0),
    };
  }

  #nameOf(index: number): PartitionName {
    const name = this.#partitions[index];
    if (name === undefined) {
      throw corrupt(this.#segments.path(this.#segment), `it names partition ${index}, which does not exist`);
    }
    return name;
  }

  /** Returns the frame at the cursor, reading it if needed; undefined at the durable end. */
  async #nextFrame(durable: Watermark): Promise<Frame | undefined> {
    if (this.#frame !== undefined) return this.#frame;
    for (;;) {
      const position = this.#chunkStart + this.#at;
      const end = this.#endOf(durable);
      if (end === undefined) {
        await this.#openSegment(this.#findSegment());
      } else if (position < end) {
        await this.#load(position, end);
        return (this.#frame = this.#decode(position));
      } else if (this.#segment >= durable.segment) {
        return undefined;
      } else {
        await this.#openSegment(this.#segment + 1);
      }
    }
  }

  /** Returns where the durable frames of the current segment end; undefined if trimming has overtaken this reader. */
  #endOf(durable: Watermark): number | undefined {
    if (this.#segment === durable.segment) return durable.position;
    return this.#segments.header(this.#segment + 1)?.previousEnd;
  }

  #decode(position: number): Frame {
    const frame = decodeFrame(this.#chunk, this.#at);
    if (frame === undefined || frame.partition >= this.#partitions.length) {
      throw corrupt(
        this.#segments.path(this.#segment),
        `the frame at byte ${position} has been altered since it was written`,
      );
    }
    return frame;
  }

  /** Makes sure that the chunk holds the whole frame at `position`. */
  async #load(position: number, end: number): Promise<void> {
    for (let lengthBytes = frameHeaderBytes; ;) {
      const known = frameBytes(this.#chunk, this.#at);
      if (known !== undefined) lengthBytes = known;
      if (this.#at + lengthBytes <= this.#chunk.length) return;
      const wantedBytes = Math.min(end - position, Math.max(chunkBytes, lengthBytes));
      if (wantedBytes < lengthBytes) {
        throw corrupt(this.#segments.path(this.#segment), `the frame at byte ${position} has a wrong length`);
      }
      this.#chunk = await this.#readFile(position, wantedBytes);
      this.#chunkStart = position;
      this.#at = 0;
    }
  }

  async #readFile(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle().read(bytes, done, length - done, position + done);
      if (bytesRead === 0) {
        throw corrupt(this.#segments.path(this.#segment), `it ends at byte ${position + done}`);
      }
      done += bytesRead;
    }
    return bytes;
  }

  #handle(): FileHandle {
    if (this.#file === undefined) throw new SwaError('log.closed', 'cannot read: this reader is closed');
    return this.#file;
  }

  async #openSegment(number: number): Promise<void> {
    let file: FileHandle;
    try {
      file = await open(this.#segments.path(number), 'r');
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      return this.#openSegment(this.#findSegment()); // trimmed meanwhile
    }
    await this.#file?.close();
    this.#file = file;
    this.#segment = number;
    this.#chunk = empty;
    this.#chunkStart = this.#segments.firstFrame;
    this.#at = 0;
    this.#frame = undefined;
  }

  /**
   * Returns the last segment that begins at or before all wanted offsets, among those the watermark has reached: a
   * killed writer may have left one beyond it. Throws `log.out-of-range` if they were trimmed away.
   */
  #findSegment(): number {
    const numbers = this.#segments.numbers();
    const durable = this.#watermark.read();
    for (const number of numbers.toReversed()) {
      if (number > durable.segment) continue;
      const base = this.#segments.header(number)?.base;
      if (
        base !== undefined &&
        this.#next.every((wanted, i) => wanted === notRead || (base[i] ?? 0) <= wanted)
      )
        return number;
    }
    const earliest = this.#segments.earliest();
    const index = this.#next.findIndex((wanted, i) => wanted !== notRead && wanted < (earliest[i] ?? 0));
    throw new SwaError(
      'log.out-of-range',
      `cannot read ${this.#partitions[index]} from offset ${this.#next[index]}: the log begins at ${earliest[index]}`,
      {
        hint: 'the log was trimmed below a stored cut; for the sink, `swa recover --skip-gap` continues after the gap',
      },
    );
  }

  #beyondEnd(index: number, end: number): SwaError {
    return new SwaError(
      'log.mismatch',
      `cannot read ${this.#partitions[index]} from offset ${this.#next[index]}: the log ends at ${end}`,
      { hint: 'the log lost records or was replaced: restore it, or start with a fresh data directory' },
    );
  }
}
