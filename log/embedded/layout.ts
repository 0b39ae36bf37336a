/**
 * The layout of the embedded log on disk. All partitions share one commit log, so a batch costs one fdatasync however
 * many partitions it touches:
 *
 *   format.json             log id and number of partitions, created once
 *   writer.lock             lock of the writer
 *   watermark               how far the log is durable (watermark.ts)
 *   segment-0000000001.log  the records, in commit order
 *
 *   segment = header, frame, frame, ...
 *   header  = u32 magic, u32 crc, u32 number, u32 end of the previous segment, 36 bytes log id, u32 partitions,
 *             f64 first offset of each partition
 *   frame   = u32 magic, u32 crc, u32 body bytes, u32 records, u32 partition, u32 start of its commit,
 *             f64 first offset, then the body: u32 length of each record, then the records' bytes
 *
 * Little endian; a crc covers everything after itself. A commit has one frame for each partition with records. The
 * start of a frame's commit tells a torn tail from damage: a complete frame of a later commit proves that everything
 * before it was durable.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { createFile, makeDirDurable } from '../../lib/files/durable.js';
import { validJson } from '../../lib/files/valid-json.js';
import type { LogId } from '../log.js';

const segmentMagic = 0x53574c47;

const formatSchema = z.object({ layout: z.literal(1), logId: z.uuid(), partitions: z.int().min(1) });

export interface LogFormat {
  readonly logId: LogId;
  /** Number of partitions of topic pageviews. */
  readonly partitions: number;
}

/**
 * Reads the log's format, and creates the log first if there is none: any role may be the first to start. Throws
 * `config.invalid` if the log has another number of partitions.
 * @param beforeCreate throws if there must be a log already
 */
export function openFormat(
  dir: string,
  partitions: number,
  beforeCreate: () => void = () => undefined,
): LogFormat {
  const path = join(dir, 'format.json');
  if (!existsSync(path)) {
    beforeCreate();
    makeDirDurable(dir);
    createFormat(dir, randomUUID(), partitions);
  }
  const format = readFormat(path);
  if (format.partitions !== partitions) {
    throw new SwaError(
      'config.invalid',
      `SWA_PARTITIONS is ${partitions}, but the log in '${dir}' was made with ${format.partitions}`,
      { hint: `set SWA_PARTITIONS=${format.partitions}; a key must stay in its partition` },
    );
  }
  return format;
}

/** Creates the format file; returns false if it exists. */
export function createFormat(dir: string, logId: string, partitions: number): boolean {
  return createFile(join(dir, 'format.json'), JSON.stringify({ layout: 1, logId, partitions }));
}

export function readFormat(path: string): LogFormat {
  const format = validJson(formatSchema, readFileSync(path, 'utf8'));
  if (format === undefined) throw corrupt(path, 'it has been altered since it was created');
  return { logId: format.logId as LogId, partitions: format.partitions }; // branding: this file defines the log id
}

export interface SegmentHeader {
  readonly number: number;
  readonly logId: LogId;
  /** Where the records of the previous segment end; bytes beyond were never acknowledged. */
  readonly previousEnd: number;
  /** First offset of each partition, by partition index. */
  readonly base: readonly number[];
}

export function segmentHeaderBytes(partitionCount: number): number {
  return 56 + 8 * partitionCount;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes(header.base.length));
  bytes.writeUInt32LE(segmentMagic, 0);
  bytes.writeUInt32LE(header.number, 8);
  bytes.writeUInt32LE(header.previousEnd, 12);
  bytes.write(header.logId, 16, 'latin1');
  bytes.writeUInt32LE(header.base.length, 52);
  header.base.forEach((base, i) => bytes.writeDoubleLE(base, 56 + 8 * i));
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Decodes a segment header; undefined if the bytes are not a complete, valid header. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < 56 || bytes.readUInt32LE(0) !== segmentMagic) return undefined;
  if (bytes.readUInt32LE(4) !== crc32(bytes.subarray(8))) return undefined;
  const count = bytes.readUInt32LE(52);
  return {
    number: bytes.readUInt32LE(8),
    previousEnd: bytes.readUInt32LE(12),
    logId: bytes.toString('latin1', 16, 52) as LogId, // branding: written from a LogId, and the crc holds
    base: Array.from({ length: count }, (_, i) => bytes.readDoubleLE(56 + 8 * i)),
  };
}

export function corrupt(path: string, what: string, cause?: unknown): SwaError {
  return new SwaError('log.corrupt', `the log file ${path} is damaged: ${what}`, {
    cause,
    hint: 'restore the file from a backup, or stop the system and run `swa recover` to see what can be saved; nothing was read from it',
  });
}
