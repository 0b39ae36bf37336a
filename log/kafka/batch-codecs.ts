/**
 * The codecs that kafkajs calls to decompress a record batch. Its own codecs support only gzip and have no size limit, and a
 * batch that cannot be decompressed stops its consumer for good. These codecs instead:
 *
 * - limit one batch to `maxBatchBytes` and one response to `maxResponseBytes` plus one batch; the rest of a response is
 *   fetched again, as kafkajs does with a batch truncated at the end of a response;
 * - replace a batch that is larger, or that cannot be decompressed, by one stand-in for each of its records.
 *
 * kafkajs passes the bytes after the 61-byte header of a batch, which is (big-endian):
 *
 *   base offset i64 | length i32 of all that follows | leader epoch i32 | magic i8 = 2 | crc u32 | attributes i16 |
 *   last offset delta i32 | first and last time, producer id i64 | producer epoch i16 | sequence i32 | record count i32
 */
import kafkajs from 'kafkajs';
import { SwaError, messageOf } from '../../lib/errors/errors.js';
import { standIn, type StandInReason } from '../stand-in.js';
import { TooLarge, codecNames, unpackers, type CodecName } from './unpack.js';

export const maxBatchBytes = 32 * 2 ** 20;
export const maxResponseBytes = 32 * 2 ** 20;
/** kafkajs passes a batch's records as call arguments; its stack holds somewhat more than this. */
const maxBatchRecords = 100_000;
const headerBytes = 61;

/** Makes kafkajs treat the rest of the response as a truncated batch and fetch it again. */
class NotNow extends Error {
  override readonly name = 'KafkaJSPartialMessageError';
}

/** Bytes decompressed so far of each response, by the memory that all its batches share. */
const unpackedOf = new WeakMap<ArrayBufferLike, number>();

/** Installs the codecs for every kafkajs client of this process: kafkajs has one global table. */
export function installCodecs(): void {
  const { CompressionCodecs: table } = kafkajs;
  for (const [number, name] of Object.entries(codecNames)) {
    const { compress } = name === 'gzip' ? gzip : { compress: () => notOurs(name) };
    Reflect.set(table, number, () => ({
      compress,
      decompress: (packed: Buffer) => unpackBatch(name, packed),
    }));
  }
}

const gzip: { readonly compress: unknown } = kafkajs.CompressionCodecs[kafkajs.CompressionTypes.GZIP]();

function notOurs(name: CodecName): Promise<never> {
  return Promise.reject(new SwaError('internal.invariant', `records are not sent with ${name} compression`));
}

/** Returns the records of a batch, or stand-ins for them. */
export async function unpackBatch(codec: CodecName, packed: Buffer): Promise<Buffer> {
  const before = unpackedOf.get(packed.buffer) ?? 0;
  if (before >= maxResponseBytes) throw new NotNow();
  const records = await unpackOrStandIn(codec, packed);
  unpackedOf.set(packed.buffer, before + records.length);
  return records;
}

async function unpackOrStandIn(codec: CodecName, packed: Buffer): Promise<Buffer> {
  const setAside = (reason: StandInReason, why: string): Buffer => {
    const { baseOffset, count } = headerOf(packed, codec);
    const text = `a ${codec} batch of ${count} records and ${packed.length} bytes at offset ${baseOffset} ${why}`;
    if (count > maxBatchRecords)
      throw new SwaError(
        'log.corrupt',
        `${text}; at most ${maxBatchRecords} records of a batch can be replaced by placeholders`,
      );
    return standIns(count, reason, text);
  };
  try {
    return await unpackers[codec](packed, maxBatchBytes);
  } catch (error) {
    if (error instanceof SwaError) throw error;
    if (error instanceof TooLarge)
      return setAside('too large', `unpacks to more than ${maxBatchBytes} bytes`);
    return setAside('cannot be unpacked', `is damaged or of an unknown form: ${messageOf(error)}`);
  }
}

/** Reads the header in front of the bytes that kafkajs passed. Throws `log.corrupt` if there is no such header. */
function headerOf(packed: Buffer, codec: CodecName): { readonly baseOffset: bigint; readonly count: number } {
  const start = packed.byteOffset - headerBytes;
  const header = start < 0 ? undefined : Buffer.from(packed.buffer, start, headerBytes);
  const count = header?.readInt32BE(57) ?? 0;
  const isHeader =
    header !== undefined &&
    header.readInt8(16) === 2 &&
    header.readInt32BE(8) === packed.length + headerBytes - 12 &&
    codecNames[(header.readInt16BE(21) & 7) as keyof typeof codecNames] === codec &&
    header.readInt32BE(23) === count - 1; // every offset has its record: the batch was not compacted
  if (!isHeader)
    throw new SwaError('log.corrupt', `a ${codec} batch of ${packed.length} bytes cannot be read`);
  return { baseOffset: header.readBigInt64BE(0), count };
}

/** Encodes stand-ins as records without key, time or headers; the first one carries the detail. */
function standIns(count: number, reason: StandInReason, detail: string): Buffer {
  const short = standIn(reason);
  return Buffer.concat(
    Array.from({ length: count }, (_, delta) => record(delta, delta === 0 ? standIn(reason, detail) : short)),
  );
}

function record(offsetDelta: number, value: Buffer): Buffer {
  const attributesAndTime = [0, 0];
  const [noKey, noHeaders] = [varint(-1), varint(0)];
  const front = [...attributesAndTime, ...varint(offsetDelta), ...noKey, ...varint(value.length)];
  const length = varint(front.length + value.length + noHeaders.length);
  return Buffer.concat([Buffer.from([...length, ...front]), value, Buffer.from(noHeaders)]);
}

/** Zigzag encoding, then seven bits per byte, lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}
