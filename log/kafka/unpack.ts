/**
 * Decompression of Kafka's record batches with a size limit, since a few kilobytes may expand to gigabytes. Each
 * function reads what Kafka's Java client and librdkafka write, throws `TooLarge` beyond the limit, and any other error
 * for invalid bytes. Nothing is compressed here: our producer sends uncompressed records.
 */
import { promisify } from 'node:util';
import { gunzip as gunzipWithCallback } from 'node:zlib';
import { uncompress } from 'snappyjs';
import { ZSTDDecoder } from 'zstddec';
import { asBuffer } from '../../lib/memory/as-buffer.js';
import { SwaError, systemCode } from '../../lib/errors/errors.js';
import { TooLarge, unpackLz4 } from './lz4.js';

export { TooLarge } from './lz4.js';

/** Codecs by their number in a batch's attributes. */
export const codecNames = { 1: 'gzip', 2: 'snappy', 3: 'lz4', 4: 'zstd' } as const;
export type CodecName = (typeof codecNames)[keyof typeof codecNames];

type Unpack = (packed: Buffer, limit: number) => Buffer | Promise<Buffer>;

export const unpackers: Readonly<Record<CodecName, Unpack>> = {
  gzip: unpackGzip,
  snappy: unpackSnappy,
  lz4: unpackLz4,
  zstd: unpackZstd,
};

const gunzip = promisify(gunzipWithCallback);

async function unpackGzip(packed: Buffer, limit: number): Promise<Buffer> {
  try {
    return await gunzip(packed, { maxOutputLength: limit });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new TooLarge();
    // Lack of memory is not the batch's fault and may be temporary.
    if (code === 'Z_MEM_ERROR')
      throw new SwaError('log.unavailable', 'no memory to unpack gzip', { cause: error, retryable: true });
    throw error;
  }
}

/** Magic bytes that the Java client writes before its Snappy blocks, followed by two version numbers. */
const xerial = Buffer.from('\x82SNAPPY\0', 'latin1');
const xerialHeaderBytes = xerial.length + 8;

/** Decompresses one Snappy block, or the Java client's sequence of them: length u32 (big-endian), then the block. */
function unpackSnappy(packed: Buffer, limit: number): Buffer {
  if (!packed.subarray(0, xerial.length).equals(xerial)) return snappyBlock(packed, limit);
  const blocks: Buffer[] = [];
  let left = limit;
  for (let at = xerialHeaderBytes; at < packed.length;) {
    const start = at + 4;
    at = start + packed.readUInt32BE(at);
    if (at > packed.length) throw new RangeError('a Snappy block ends beyond its batch');
    const block = snappyBlock(packed.subarray(start, at), left);
    blocks.push(block);
    left -= block.length;
  }
  return Buffer.concat(blocks);
}

/** Decompresses a block. It begins with its decompressed length, seven bits per byte. */
function snappyBlock(block: Buffer, limit: number): Buffer {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block.readUInt8(i);
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
  }
  if (length > limit) throw new TooLarge();
  return asBuffer(uncompress(block));
}

const zstdMagic = 0xfd2fb528;
const zstdBlockBytes = 128 * 1024;
const zstdDecoder = new ZSTDDecoder();

/**
 * Decompresses one Zstandard frame (RFC 8878). The library needs the output size in advance and returns nothing if that
 * is too small or the frame is damaged, so the frame's blocks are scanned first for the maximum size.
 */
async function unpackZstd(frame: Buffer, limit: number): Promise<Buffer> {
  const descriptor = frame.readUInt8(4);
  if (frame.readUInt32LE(0) !== zstdMagic || descriptor & 0x0b)
    throw new RangeError('not a Zstandard frame without dictionary');
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const maxBytes = zstdBound(frame, (isSingleSegment ? 5 : 6) + sizeBytes, descriptor & 0x04 ? 4 : 0);
  await zstdDecoder.init();
  const unpacked = asBuffer(zstdDecoder.decode(frame, Math.min(maxBytes, limit)));
  if (unpacked.length > 0) return unpacked;
  throw maxBytes > limit ? new TooLarge() : new RangeError('a damaged Zstandard frame');
}

/**
 * Returns the maximum decompressed size of the blocks from `from` on. A block: 3 bytes (last u1, type u2, size u21),
 * then its bytes.
 */
function zstdBound(frame: Buffer, from: number, checksumBytes: number): number {
  let maxBytes = 0;
  for (let at = from; ;) {
    const header = frame.readUIntLE(at, 3);
    const [type, size] = [(header >> 1) & 3, header >> 3];
    at += 3 + (type === 1 ? 1 : size); // an RLE block stores one byte
    maxBytes += type === 2 ? zstdBlockBytes : size;
    if ((header & 1) === 0) continue;
    if (at + checksumBytes !== frame.length) throw new RangeError('not one whole Zstandard frame');
    return maxBytes;
  }
}
