/**
 * What kafkajs calls to unpack a record batch. It knows gzip alone, unpacks whatever a batch asks for, and one batch that it
 * cannot unpack ends its consumer for good. Here instead:
 *
 * - one batch unpacks to `maxBatchBytes` at most, all of one response to `maxResponseBytes` and one batch more: what is
 *   left over is fetched again, as kafkajs does with the batch that was cut off at a response's end;
 * - a batch that is larger, or that cannot be unpacked at all, becomes as many stand-ins as it has records.
 *
 * A batch as it lies in the response, kafkajs hands out what comes after its 61 bytes of header (big-endian):
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
/** kafkajs puts a batch's records on its stack, which holds somewhat more. */
const maxBatchRecords = 100_000;
const headerBytes = 61;

/** kafkajs takes it that the rest of the response does not hold a whole batch, and asks for it again. */
class NotNow extends Error {
  override readonly name = 'KafkaJSPartialMessageError';
}

/** How much of each response has been unpacked, known by the memory that all its batches lie in. */
const unpackedOf = new WeakMap<ArrayBufferLike, number>();

/** For every kafkajs client of this process, as kafkajs has one table of codecs. */
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

/** The records of a batch, or stand-ins for them. */
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

/** Reads the header in front of what kafkajs has handed out. Throws where something else lies there. */
function headerOf(packed: Buffer, codec: CodecName): { readonly baseOffset: bigint; readonly count: number } {
  const start = packed.byteOffset - headerBytes;
  const header = start < 0 ? undefined : Buffer.from(packed.buffer, start, headerBytes);
  const count = header?.readInt32BE(57) ?? 0;
  const isHeader =
    header !== undefined &&
    header.readInt8(16) === 2 &&
    header.readInt32BE(8) === packed.length + headerBytes - 12 &&
    codecNames[(header.readInt16BE(21) & 7) as keyof typeof codecNames] === codec &&
    header.readInt32BE(23) === count - 1; // every offset has its record: no one has compacted the batch
  if (!isHeader)
    throw new SwaError('log.corrupt', `a ${codec} batch of ${packed.length} bytes cannot be read`);
  return { baseOffset: header.readBigInt64BE(0), count };
}

/** Records without key, time or headers; the first one says why. */
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

/** Zigzag, then seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}
