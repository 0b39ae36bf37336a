/**
 * The codecs of record batches: batches written by Kafka's Java client 4.4.0, damaged batches, size limits; and how
 * kafkajs handles a batch that is set aside.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { z } from 'zod';
import { decodeRecord } from '../../facts/record.js';
import { maxBatchBytes, unpackBatch } from '../kafka/batch-codecs.js';
import { TooLarge, unpackLz4 } from '../kafka/lz4.js';
import { codecNames, unpackers, type CodecName } from '../kafka/unpack.js';
import { rejectsWith } from './log-conformance.js';

/** The records of batches sent by the console producer: lines of text. */
const batches: Readonly<Record<CodecName, { packed: string; sha256: string; sizeBytes: number }>> = {
  gzip: {
    packed:
      'H4sIAAAAAAAA/5XLywmAMAwA0ChSREQcISOI/+7ixUO0BT/F5iBOLxkh7/4cACTL/vmAh78I7w3jfRIyvYzsVsaHAq0c0XOkY8PWtuDApMrUScqUqZdklGmQlCvTKKlQpklSqUyzpEqZrKRalbqmgR+/AfxW3QEAAA==',
    sha256: '0a5618b8cc38ed3d50f87bab1b910306e5424d3211a8a62883b3af172f6e3b31',
    sizeBytes: 477,
  },
  snappy: {
    packed:
      'glNOQVBQWQAAAAABAAAAAQAABKfDOuBoAAAAAVxzbmFwcHkgbGluZSBvZiBzb21lIHRleHQgdGhhdCByZXBlYXRzIGl0c2VsZiAxAGgAeAK6NQAUMgBoAHoEujUAADMBNQAGujUAADQBNQAIujUAADUBNQAKujUAADYBNQAMujUAADcBNQAOujUAADgBNQAQujUAHDkAagB6EgFett0BADABNgAUvjYAADEBNgAWvjYAADIBNgAYvjYAADMBNgAavjYAADQBNgAcvjYAADUBNgAevjYAFDYAagB8IL42AAA3ATYAIr42ABQ4AGoAfiS+NgBBHAR+Jro2AAAyQRwEfii+NgBBHAR+Kr42AEEcBH4svjYAQRwEfi6+NgBBHAR+ML42AEEcBH4yvjYAQRwEfjS+NgBBHAR+Nr42AEUcADi+NgBFHAA6ujYAADNFHAA8vjYARRwAPr42ABgyAGwAgAFAvjcAADMFNwBCvjcAADQFNwBEvjcAADUFNwBGvjcAADYFNwBIvjcAADcFNwBKvjcAADgFNwBMvjcAADkFNwBOujcABDQwBTcAUL43AAAxBTcAUr43AEkmAFS+NwBJJgBWvjcASSYAWL43AEkmAFq+NwBJJgBcvjcASSYAXr43AEkmAGC+NwBJJgBiujcAADVJJgBkvjcASSYAZr43AEkmAGi+NwBJJgBqvjcASSYAbL43AEkmAG6+NwBBJgiCAXC+NwBBJgiCAXK+NwBBJgiCAXS+NwBBJgiCAXa6NwAANkEmCIIBeL43AEEmCIIBer43AEEmCIIBfL43AEEmCIIBfr43ABw0AG4AjAGAAb44AAA1BTgAgsI4AAA2BTgAhMI4AAA3BTgAhsI4AAA4BTgAiMI4AAA5BTgAir44ABw3MABuAJABjMI4AAAxBTgAjsI4AAAyBTgAkMI4AAAzBTgAksI4AEEwCJIBlMI4AEEwCJIBlsI4AEEwCJIBmMI4AEEwCJIBmsI4AEEwCJIBnMI4AEEwCJIBnr44AAA4QTAIkgGgwjgAQTAIkgGiwjgAQTAIkgGkwjgAQTAIkgGmwjgASTAAqMI4AEkwAKrCOABJMACswjgASTAArsI4AEkwALDCOABJMACyvjgAADlJMAC0wjgASTAAtsI4AEkwALjCOABJMAC6wjgASTAAvMI4AEkwAL7COABJMADAwjgASTAAwsI4AEkwAMTCOAAkOQBwAJIBxgEBYLpkEwAwBTkAyMY5ABgxAHAAlAHKxjkAADIFOQDMxjkAADMFOQDOxjkAADQFOQDQxjkAADUFOQDSxjkAADYFOQDUxjkAADcFOQDWxjkAADgFOQDYxjkAQToIlAHawjkAADFBOgiUAdzGOQBJOgDexjkASToA4MY5AEk6AOLGOQBJOgDkxjkASToA5sY5AEk6AOjGOQBJOgDqxjkASToA7MY5AEk6AO7COQAAMkk6APDGOQBJOgDyxjkASToA9MY5AEk6APbGOQBJOgD4xjkASToA+sY5AEk6APzGOQBJOgD+xjkASToEgAK+dQYAMkk6AILCOQAAM0k6AITGOQBBOgiWAYbGOQBBOgiWAYjGOQBBOgiWAYrGOQBBOgiWAYzGOQAENQA=',
    sha256: '8a6b8ca461905c18999ee23a3505d784ecba26594d7802fd78edf6488ad7f408',
    sizeBytes: 7491,
  },
  lz4: {
    packed:
      'BCJNGGBAgroBAAD/KWYAAAABWmx6NCBsaW5lIG9mIHNvbWUgdGV4dCB0aGF0IHJlcGVhdHMgaXRzZWxmIDI1NQBmAA4CNAAbEDY0AB8ENAAbEDc0AB8GNAAbEDg0AB8INAAbEDk0AB8KNAAaIDYwNAAfDDQAGxAxNAAfDjQAGxAyNAAfEDQAGxAzNAAfEjQAGxA0NAAfFDQAGwEIAh8WNAAbAQgCHxg0ABsBCAIfGjQAGwEIAh8cNAAbAQgCHx40ABoRNwgCHyA0ABsBCAIfIjQAGwEIAh8kNAAbAQgCHyY0ABsBCAIfKDQAGwEIAh8qNAAbAQgCHyw0ABsBCAIfLjQAGwEIAh8wNAAbAQgCHzI0ABoROAgCHzQ0ABsBCAIfNjQAGwEIAh84NAAbAQgCHzo0ABsACAIvEDw0ABsACAIvED40ABsACAIvEEA0ABsACAIvEEI0ABsACAIvEEQ0ABsACAIvEEY0ABoQOQgCLxBINAAbAAgCLxBKNAAbAAgCLxBMNAAbAAgCLxBONAAbAQgCH1A0ABsBCAIfUjQAGwEIAh9UNAAbAQgCH1Y0ABsBCAIfWDQAGwEIAh9aNAAYUCAzMDAAAAAAAA==',
    sha256: '7d1235f54f27ac8db690be5e9bc6dcf41ca4902623e4f9993aa3db82b8ef58f6',
    sizeBytes: 2392,
  },
  zstd: {
    packed:
      'KLUv/QBYbAMA8sQSGnAt1AFykCyNpEJx2qpqUCOIHA1VlScTWdMpPicZVGFBME4rBgkBInAwqRSnkUJnDnXbdRdCMPJduV8J7tHx9OwdH829sTphAGxnDgACE7AeIBiwBCAqQBywGCAEWAcIBiwBxAGLJThSewEAAA==',
    sha256: '457ccda12adca9e58cb1682f398d0fb16001f904a807badc9e531fb3b4291a2c',
    sizeBytes: 477,
  },
};
const codecs = Object.values(codecNames);
const packedIn = (codec: CodecName): Buffer => Buffer.from(batches[codec].packed, 'base64');

test('batches of the Java client are unpacked in every codec, and not beyond a limit', async () => {
  for (const codec of codecs) {
    const { sha256, sizeBytes } = batches[codec];
    const records = await unpackers[codec](packedIn(codec), sizeBytes);
    assert.deepEqual([codec, sha256Of(records), records.length], [codec, sha256, sizeBytes]);
    await assert.rejects(async () => unpackers[codec](packedIn(codec), sizeBytes - 1), TooLarge, codec);
  }
});

test('damaged batches end in an error or in bytes within the limit, whatever is damaged', async () => {
  const limit = 100_000;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...codecs),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.boolean(),
      async (codec, flips, cut, isCut) => {
        const packed = packedIn(codec);
        for (const [at, byte] of flips) packed[at % packed.length] = byte;
        const given = isCut ? packed.subarray(0, cut % packed.length) : packed;
        const result = await Promise.resolve()
          .then(() => unpackers[codec](given, limit))
          .catch((error: unknown) => {
            assert.ok(error instanceof Error);
            return Buffer.alloc(0);
          });
        assert.ok(result.length <= limit);
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a Zstandard frame that asks for a large window takes no memory for it', async () => {
  const packed = packedIn('zstd');
  packed[5] = 17 << 3; // 128 MB, as compression level 22 does
  const before = process.memoryUsage().rss;
  assert.equal(sha256Of(await unpackers.zstd(packed, maxBatchBytes)), batches.zstd.sha256);
  assert.ok(process.memoryUsage().rss - before < 100 * 2 ** 20);
});

const literals = fc.uint8Array({ maxLength: 300 });
const sequences = fc.array(
  fc.record({ literals, distance: fc.nat(), length: fc.integer({ min: 4, max: 700 }) }),
  {
    maxLength: 20,
  },
);

test('LZ4 blocks of any literals and matches decode as specified, including overlapping matches', () => {
  fc.assert(
    fc.property(sequences, literals, fc.nat(2), (parts, last, blockCount) => {
      const plain: number[] = [];
      const blocks = Array.from({ length: blockCount + 1 }, () => {
        const block: number[] = [];
        for (const part of parts) {
          plain.push(...part.literals);
          if (plain.length === 0) continue;
          const distance = 1 + (part.distance % Math.min(plain.length, 65_535));
          block.push(...sequence(part.literals, distance, part.length));
          for (let i = 0; i < part.length; i++) plain.push(plain[plain.length - distance] ?? 0);
        }
        plain.push(...last);
        block.push(...lengthBytes(last.length, 4, 0), ...last);
        return Buffer.from(block);
      });
      const frame = lz4Frame(blocks);
      assert.deepEqual([...unpackLz4(frame, plain.length)], plain);
      if (plain.length > 0) assert.throws(() => unpackLz4(frame, plain.length - 1), TooLarge);
    }),
  );
});

test('a batch that decompresses to too much, or not at all, becomes one stand-in for each record', async () => {
  const bomb = gzipSync(Buffer.alloc(maxBatchBytes + 1));
  const broken = packedIn('zstd').fill(0, 20, 60);
  for (const [codec, packed, reason] of [
    ['gzip', bomb, /^unreadable: too large$/],
    ['zstd', broken, /^unreadable: cannot be unpacked$/],
  ] as const) {
    const records = await decodeByKafkajs(batchOf(codec, packed, 1234, 300));
    assert.deepEqual(records.map(({ offset }) => Number(offset)), [...Array(300).keys()].map((i) => 1234 + i)); // prettier-ignore
    for (const { value } of records) {
      const decoded = decodeRecord(value, 'pageviews');
      assert.match(decoded.type === 'invalid' ? decoded.reason : '', reason);
    }
    assert.match(
      records[0]?.value.toString() ?? '',
      new RegExp(`a ${codec} batch of 300 records .* at offset 1234 `),
    );
  }
});

test('the decompressed size of one response is bounded: the rest is fetched again', async () => {
  const packed = gzipSync(Buffer.alloc(20 * 2 ** 20));
  const response = Buffer.concat([packed, packed, packed]);
  const part = (i: number): Buffer => response.subarray(i * packed.length, (i + 1) * packed.length);
  for (const i of [0, 1]) assert.equal((await unpackBatch('gzip', part(i))).length, 20 * 2 ** 20);
  await assert.rejects(unpackBatch('gzip', part(2)), { name: 'KafkaJSPartialMessageError' });
  assert.equal((await unpackBatch('gzip', Buffer.from(packed))).length, 20 * 2 ** 20);
});

test('a batch of more records than kafkajs supports cannot be set aside: an error names its offset', async () => {
  const most = 100_000;
  assert.ok((await unpackBatch('gzip', recordsOf(most))).length > most);
  await assert.rejects(unpackBatch('gzip', recordsOf(most + 1)), {
    code: 'log.corrupt',
    message: /a gzip batch of 100001 records .* at offset 7 .*; at most 100000 records/,
  });
});

test('a batch without a header before its records is an error and is not set aside', async () => {
  await rejectsWith('log.corrupt', unpackBatch('gzip', Buffer.from('not gzip')));
  await rejectsWith('log.corrupt', unpackBatch('lz4', batchOf('zstd', Buffer.from('?'), 0, 1).subarray(61)));
});

test('kafkajs decodes a whole response with deflated bytes that are not gzip', async () => {
  const records = await decodeByKafkajs(batchOf('gzip', deflateRawSync('x'), 7, 1));
  assert.equal(records.length, 1);
});

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sequence(bytes: Uint8Array, distance: number, length: number): number[] {
  const rest = lengthRest(length - 4);
  return [...lengthBytes(bytes.length, length, 1), ...bytes, distance & 255, distance >> 8, ...rest];
}

/** The token and the literals' length; the match's length follows. */
function lengthBytes(count: number, match: number, hasMatch: number): number[] {
  const token = (Math.min(count, 15) << 4) | (hasMatch * Math.min(match - 4, 15));
  return [token, ...lengthRest(count)];
}

function lengthRest(length: number): number[] {
  if (length < 15) return [];
  return [...Array<number>(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
}

function lz4Frame(blocks: readonly Buffer[]): Buffer {
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0]);
  const parts = blocks.flatMap((block) => [u32(block.length), block]).filter((part) => part.length > 0);
  return Buffer.concat([header, ...parts, u32(0)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A record batch as contained in a response. */
/** A batch of `count` records that cannot be decompressed, at offset 7. */
function recordsOf(count: number): Buffer {
  return batchOf('gzip', Buffer.from('?'), 7, count).subarray(61);
}

function batchOf(codec: CodecName, packed: Buffer, baseOffset: number, count: number): Buffer {
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(BigInt(baseOffset), 0);
  header.writeInt32BE(packed.length + 49, 8);
  header.writeInt8(2, 16);
  header.writeInt16BE(codecs.indexOf(codec) + 1, 21);
  header.writeInt32BE(count - 1, 23);
  header.writeInt32BE(count, 57);
  return Buffer.concat([header, packed]);
}

const recordsSchema = z.array(z.object({ offset: z.string(), value: z.instanceof(Buffer) }));

/** As kafkajs decodes a response, with the codec under test in the place of its own. */
async function decodeByKafkajs(batch: Buffer): Promise<z.output<typeof recordsSchema>> {
  const kafkajs = createRequire(import.meta.url);
  const load = (path: string): unknown => kafkajs(`kafkajs/src/${path}`);
  await import('../kafka/connection.js').then(({ KafkaConnection }) => new KafkaConnection(nowhere));
  const Decoder = z.custom<new (buffer: Buffer) => object>().parse(load('protocol/decoder'));
  const decode = z
    .custom<(decoder: object) => Promise<unknown>>()
    .parse(load('protocol/requests/fetch/v4/decodeMessages'));
  const size = Buffer.alloc(4);
  size.writeInt32BE(batch.length);
  return recordsSchema.parse(await decode(new Decoder(Buffer.concat([size, batch]))));
}

const nowhere = { brokers: ['127.0.0.1:9'], tls: false, sasl: undefined } as const;
