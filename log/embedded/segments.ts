/** The segment files of a log: lists them, reads and checks their headers, and knows where each one ends. */
import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../../lib/errors/errors.js';
import type { LogId } from '../log.js';
import { corrupt, decodeSegmentHeader, segmentHeaderBytes, type SegmentHeader } from './layout.js';

const namePattern = /^segment-(\d{10})\.log$/;

export class Segments {
  readonly dir: string;
  readonly partitionCount: number;
  readonly #logId: LogId;
  readonly #headers = new Map<number, SegmentHeader>();

  constructor(dir: string, logId: LogId, partitionCount: number) {
    this.dir = dir;
    this.#logId = logId;
    this.partitionCount = partitionCount;
  }

  path(number: number): string {
    return join(this.dir, `segment-${String(number).padStart(10, '0')}.log`);
  }

  /** Byte position of the first frame in every segment. */
  get firstFrame(): number {
    return segmentHeaderBytes(this.partitionCount);
  }

  /** Returns the numbers of the segments on disk, ascending. Throws `log.corrupt` if one between them is missing. */
  numbers(): number[] {
    let numbers = this.#list();
    // A concurrent trim may list a segment without its successor: look again before reporting it.
    for (let attempt = 0; attempt < 10 && gapIn(numbers) !== undefined; attempt++) numbers = this.#list();
    const gap = gapIn(numbers);
    if (gap !== undefined) throw corrupt(this.path(gap), 'it is missing');
    return numbers;
  }

  /**
   * Returns a segment's header; undefined if the file does not exist (never created, or trimmed). Throws `log.corrupt`.
   */
  header(number: number): SegmentHeader | undefined {
    const known = this.#headers.get(number);
    if (known !== undefined) return known;
    const bytes = this.#readHeader(number);
    if (bytes === undefined) return undefined;
    const header = decodeSegmentHeader(bytes);
    if (header?.number !== number) throw corrupt(this.path(number), 'its header is invalid');
    if (header.logId !== this.#logId) throw corrupt(this.path(number), `it belongs to log ${header.logId}`);
    if (header.base.length !== this.partitionCount)
      throw corrupt(
        this.path(number),
        `it was written for ${header.base.length} partitions, not ${this.partitionCount}`,
      );
    if (this.#headers.size > 1000) this.#headers.clear();
    this.#headers.set(number, header);
    return header;
  }

  /** Like `header`, but throws `log.corrupt` if the file does not exist. */
  requireHeader(number: number): SegmentHeader {
    const header = this.header(number);
    if (header === undefined) throw corrupt(this.path(number), 'it is missing');
    return header;
  }

  /** Returns the first retained offsets by partition index. */
  earliest(): readonly number[] {
    for (let attempt = 0; attempt < 100; attempt++) {
      const first = this.numbers()[0];
      const header = first === undefined ? undefined : this.header(first);
      // A cached header may belong to a file that has been trimmed since, but numbers() has just seen this one.
      if (header !== undefined) return header.base;
    }
    throw corrupt(this.dir, 'it has no segment');
  }

  #list(): number[] {
    return readdirSync(this.dir)
      .flatMap((name) => namePattern.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  #readHeader(number: number): Buffer | undefined {
    let fd: number;
    try {
      fd = openSync(this.path(number), 'r');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const bytes = Buffer.alloc(this.firstFrame);
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
    } finally {
      closeSync(fd);
    }
  }
}

/** Returns the first missing number. */
function gapIn(numbers: readonly number[]): number | undefined {
  const at = numbers.findIndex((number, i) => i > 0 && number !== (numbers[i - 1] ?? 0) + 1);
  return at < 0 ? undefined : (numbers[at - 1] ?? 0) + 1;
}
