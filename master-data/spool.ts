/**
 * The spool holds records read from the log until they are written as Parquet: a temporary file of JSON lines that
 * DuckDB parses. So waiting records take no heap, and no value is passed to DuckDB one by one (its appender took three
 * times as long as the parser).
 *
 * A record must mean the same to DuckDB's JSON parser as to `decodeRecord`. A record without escapes that looks like
 * what our encoder writes is copied unchanged; any other is decoded and written again, field by field.
 */
import { closeSync, openSync } from 'node:fs';
import { removeScratch } from '../lib/files/removal.js';
import { SwaError } from '../lib/errors/errors.js';
import { maxIdBytes } from '../facts/ids.js';
import { isPlaceholderId } from '../facts/placeholders.js';
import { decodeRecord } from '../facts/record.js';
import { writeFully } from '../lib/files/durable.js';
import { fingerprintOf, type LastRecord } from '../log/last-records.js';
import type { Offset, RecordBatch, Topic } from '../log/log.js';
import { isStandIn } from '../log/stand-in.js';
import { columnsOf } from './schema.js';

/** Summary of a closed spool. */
export interface Spooled {
  readonly path: string;
  readonly topic: Topic;
  readonly rows: number;
  readonly invalidRows: number;
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** Offset and hash of the last record; undefined if it is a stand-in. */
  readonly lastRecord: LastRecord | undefined;
  /** Sum of (offset - first offset). With count, first and last it distinguishes a lost row from a repeated one. */
  readonly offsetSum: number;
  /** Offset at which reading the log continues. */
  readonly toOffset: Offset;
  readonly longestLineBytes: number;
}

/** Limits of a spool; the record that reaches a limit is still included. */
export interface SpoolLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

const bufferBytes = 1 << 18;

export class Spool {
  readonly path: string;
  readonly #topic: Topic;
  readonly #limits: SpoolLimits;
  #fd: number | undefined;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  #buffered = 0;
  #written = 0;
  #next: Offset;
  #first: Offset | undefined;
  #last: Offset | undefined;
  #lastValue: Uint8Array = new Uint8Array();
  #rows = 0;
  #invalidRows = 0;
  #offsetSum = 0;
  #longestLineBytes = 0;

  /** Creates the file, replacing any at `path`. `from` is the partition's cut. */
  constructor(path: string, topic: Topic, from: Offset, limits: SpoolLimits) {
    this.path = path;
    this.#topic = topic;
    this.#limits = limits;
    this.#next = from;
    this.#fd = openSync(path, 'w');
  }

  get rows(): number {
    return this.#rows;
  }

  get sizeBytes(): number {
    return this.#written + this.#buffered;
  }

  get next(): Offset {
    return this.#next;
  }

  get isFull(): boolean {
    return this.#rows >= this.#limits.maxRows || this.sizeBytes >= this.#limits.maxBytes;
  }

  /**
   * Appends records of the batch from index `start` on until the spool is full. Returns the index of the next record,
   * or the length of the batch if all were taken. Skips offsets below `next`.
   */
  append(batch: RecordBatch, start: number): number {
    for (let i = start; i < batch.offsets.length; i++) {
      if (this.isFull) return i;
      const at = batch.offsets[i];
      const value = batch.values[i];
      if (at === undefined || value === undefined || at < this.#next) continue;
      this.#appendRecord(at, value);
      this.#first ??= at;
      this.#last = at;
      this.#lastValue = value;
      this.#rows++;
      this.#offsetSum += at - this.#first;
      this.#next = (at + 1) as Offset; // still an offset
    }
    if (batch.nextOffset > this.#next) this.#next = batch.nextOffset;
    return batch.offsets.length;
  }

  /**
   * Flushes and closes the file and returns its summary; undefined if nothing was appended. The file stays until
   * `discard`.
   */
  finish(): Spooled | undefined {
    this.#flush();
    this.#close();
    if (this.#first === undefined || this.#last === undefined) return undefined;
    return {
      path: this.path,
      topic: this.#topic,
      rows: this.#rows,
      invalidRows: this.#invalidRows,
      firstOffset: this.#first,
      lastOffset: this.#last,
      lastRecord: this.#lastRecord(this.#last),
      offsetSum: this.#offsetSum,
      toOffset: this.#next,
      longestLineBytes: this.#longestLineBytes,
    };
  }

  #lastRecord(at: Offset): LastRecord | undefined {
    return isStandIn(this.#lastValue) ? undefined : { offset: at, sha256: fingerprintOf(this.#lastValue) };
  }

  /** Closes and removes the file. */
  discard(): void {
    this.#close();
    removeScratch(this.path);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(bytes: Uint8Array): void {
    if (this.#fd === undefined) throw new SwaError('internal.invariant', `${this.path} is closed`);
    writeFully(this.#fd, bytes, this.#written);
    this.#written += bytes.length;
  }

  #appendRecord(at: Offset, value: Uint8Array): void {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (this.#topic === 'pageviews' && isPlainPageview(bytes)) this.#appendPlain(at, bytes);
    else this.#appendLine(this.#lineOf(at, bytes));
  }

  /** Appends the record's own bytes with the offset inserted before its first field. */
  #appendPlain(at: Offset, bytes: Buffer): void {
    const maxBytes = bytes.length + 32;
    if (maxBytes > bufferBytes - this.#buffered) this.#flush();
    if (maxBytes > bufferBytes) {
      this.#appendLine(Buffer.concat([Buffer.from(`{"offset":${at},`), bytes.subarray(1), newline]));
      return;
    }
    const start = this.#buffered;
    let end = start + this.#buffer.write(`{"offset":${at},`, start, 'latin1');
    end += bytes.copy(this.#buffer, end, 1);
    this.#buffer[end++] = 10;
    this.#buffered = end;
    this.#longestLineBytes = Math.max(this.#longestLineBytes, end - start);
  }

  #appendLine(line: Buffer): void {
    if (line.length > bufferBytes - this.#buffered) this.#flush();
    if (line.length > bufferBytes) {
      this.#write(line);
    } else {
      this.#buffered += line.copy(this.#buffer, this.#buffered);
    }
    this.#longestLineBytes = Math.max(this.#longestLineBytes, line.length);
  }

  #lineOf(at: Offset, bytes: Buffer): Buffer {
    const decoded = decodeRecord(bytes, this.#topic);
    if (decoded.type !== 'invalid') {
      const fact = decoded as unknown as Readonly<Record<string, unknown>>; // read by the schema's field names
      const row: Record<string, unknown> = { offset: at };
      for (const { field } of columnsOf[this.#topic])
        if (field !== undefined) row[field] = wellFormed(fact[field]);
      return Buffer.from(`${JSON.stringify(row)}\n`);
    }
    this.#invalidRows++;
    const row = { offset: at, invalid_reason: decoded.reason, raw: bytes.toString('base64') };
    return Buffer.from(`${JSON.stringify(row)}\n`);
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }
}

const newline = Buffer.from('\n');

/**
 * Replaces unpaired surrogates, which JSON can contain and UTF-8 cannot, by U+FFFD, as every UTF-8 encoder here does.
 */
function wellFormed(value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value;
}

const plainText = '[^"\\\\\\u0000-\\u001f\\ufffd]';
const head = '{"type":"pageview","visitor":"';
const plainPageview = new RegExp(
  // The visitor id must be ASCII, so that its length in characters is that in bytes. Timestamps of 13 digits or more
  // are above the lowest accepted one.
  `^${head.replace('{', '\\{')}[ !#-[\\]-~]{1,${maxIdBytes}}","url":"${plainText}*","timestamp":[1-9]\\d{12,14}` +
    `,"eventId":"${plainText}{1,${maxIdBytes}}","receivedAt":(?:0|[1-9]\\d{0,14})` +
    ['userAgent', 'referrer', 'country', 'importId']
      .map((field) => `(?:,"${field}":"${plainText}*")?`)
      .join('') +
    '\\}$',
);

/**
 * Returns true only for valid UTF-8 JSON of a pageview that `decodeRecord` accepts, with each field once and no
 * escapes, so that all JSON parsers read it the same way. May return false for some other valid ones. (`PlainPageview`
 * also hashes what it reads and rejects non-ASCII texts, which takes half as long again and is not needed here.)
 */
export function isPlainPageview(bytes: Buffer): boolean {
  const text = bytes.toString('utf8');
  return (
    plainPageview.test(text) && !isPlaceholderId(text.slice(head.length, text.indexOf('"', head.length)))
  );
}
