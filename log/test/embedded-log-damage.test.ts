/**
 * What a crash or a bad disk can leave in the embedded log's files. A torn tail (an interrupted commit) is cut off;
 * damage to acknowledged records is detected and reported, never cut off or read.
 */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { hasCode } from '../../lib/errors/errors.js';
import { zeroOffsets } from '../cut.js';
import { openEmbeddedLog } from '../embedded/embedded-log.js';
import { openEmbeddedWriter } from '../embedded/writer.js';
import type { Log } from '../log.js';
import { readUntil, record, suitePartitions } from './log-conformance.js';
import { tempDir } from '../../test/temp-dir.js';

const runs = Number(process.env['RUNS'] ?? 40);
const segmentBytes = 20_000;
const options = (dir: string) => ({ dir, partitions: suitePartitions, segmentBytes });

/** A closed log of several segments, and where each commit of the last one ended. */
interface Sample {
  readonly dir: string;
  readonly lastSegment: string;
  readonly sealed: readonly string[];
  readonly commitEnds: readonly number[];
  /** The watermark as it was before the last two commits. */
  readonly oldWatermark: Buffer;
  readonly texts: readonly string[];
  /** Records of the commits up to each of `commitEnds`. */
  readonly countAt: readonly number[];
}

let sample: Sample;

before(async () => {
  sample = await makeSample(tempDir('damage'));
});
after(() => rmSync(sample.dir, { recursive: true }));

async function makeSample(dir: string): Promise<Sample> {
  const writer = await openEmbeddedWriter(options(dir));
  const texts: string[] = [];
  let commitEnds: number[] = [];
  let countAt: number[] = [];
  let lastSegment = '';
  let oldWatermark = Buffer.alloc(0);
  for (let i = 0; i < 60 || commitEnds.length < 8; i++) {
    const batch = Array.from({ length: 10 }, (_, k) => `${i}.${k}`.padEnd(120));
    await writer.append(batch.map((text, k) => record(`${k}`, text, k % 4 === 0 ? 'equivs' : 'pageviews')));
    texts.push(...batch);
    const newest = segmentsIn(dir).at(-1) ?? '';
    if (newest !== lastSegment) [commitEnds, countAt, lastSegment] = [[], [], newest];
    if (commitEnds.length === 5) oldWatermark = readFileSync(join(dir, 'watermark'));
    commitEnds.push(statSync(join(dir, newest)).size);
    countAt.push(texts.length);
  }
  await writer.close();
  return { dir, lastSegment, sealed: segmentsIn(dir).slice(0, -1), commitEnds, countAt, oldWatermark, texts };
}

function segmentsIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith('segment-')).toSorted(); // prettier-ignore
}

/** Makes a copy to damage, removed afterwards. */
async function withCopy(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = tempDir('damaged');
  try {
    cpSync(sample.dir, dir, { recursive: true });
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function flip(path: string, at: number, bit: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  writeFileSync(path, bytes);
}

/** Opens for writing and reads everything. */
async function openAndRead(dir: string): Promise<string[]> {
  const writer = await openEmbeddedWriter(options(dir));
  try {
    return await readEverything(writer);
  } finally {
    await writer.close();
  }
}

async function readEverything(log: Log): Promise<string[]> {
  const reader = await log.openReader({ from: zeroOffsets(log.partitions), consumer: 'c' });
  const all = await readUntil(reader, await log.latest());
  for (const list of all.values()) list.forEach((item, i) => assert.equal(item.offset, i));
  return [...all.values()].flat().map((item) => item.text);
}

/** A reader while no writer runs. */
async function onlyRead(dir: string): Promise<string[]> {
  const log = await openEmbeddedLog(options(dir));
  try {
    return await readEverything(log);
  } finally {
    await log.close();
  }
}

async function isRefused(reading: Promise<unknown>): Promise<boolean> {
  try {
    await reading;
    return false;
  } catch (error) {
    assert.ok(hasCode(error, 'log.corrupt'), String(error));
    return true;
  }
}

test('a torn last commit is cut off at any byte, and everything before it stays', () =>
  fc.assert(
    fc.asyncProperty(
      fc.nat(100_000),
      fc.constantFrom('cut' as const, 'zeros' as const, 'garbage' as const),
      async (seed, damage) =>
        withCopy(async (dir) => {
          const [start = 0, end = 0] = sample.commitEnds.slice(-2);
          const path = join(dir, sample.lastSegment);
          const at = start + (seed % (end - start));
          // The power went: the watermark on disk is an old one, of another boot.
          writeFileSync(join(dir, 'watermark'), ofAnotherBoot(sample.oldWatermark));
          if (damage === 'cut') truncateSync(path, at);
          else {
            const bytes = readFileSync(path);
            bytes.fill(damage === 'zeros' ? 0 : `g${seed}`, at);
            writeFileSync(path, bytes);
          }
          const log = await openEmbeddedLog(options(dir)); // a reader may come first and must see the same
          const latest = Object.values(await log.latest()).reduce((sum, next) => sum + next, 0);
          await log.close();
          const texts = await openAndRead(dir);
          assert.equal(texts.length, latest);
          const safe = sample.countAt.at(-2) ?? 0;
          assert.ok(texts.length >= safe && texts.length < sample.texts.length);
          const kept = new Set(texts);
          assert.ok(sample.texts.slice(0, safe).every((text) => kept.has(text)));
          assert.deepEqual(await openAndRead(dir), texts, 'cut once, it stays as it is');
        }),
    ),
    { numRuns: runs * 2 },
  ));

test('a flipped bit in any acknowledged byte is found before use, wherever it is', () =>
  fc.assert(
    fc.asyncProperty(fc.nat(1_000_000), fc.nat(7), fc.boolean(), (seed, bit, inLast) =>
      withCopy(async (dir) => {
        const name = inLast ? sample.lastSegment : (sample.sealed[seed % sample.sealed.length] ?? '');
        const path = join(dir, name);
        flip(path, seed % statSync(path).size, bit);
        assert.ok(await isRefused(onlyRead(dir)));
        if (inLast) assert.ok(await isRefused(openAndRead(dir)));
      }),
    ),
    { numRuns: runs * 5 },
  ));

test('without a trustworthy watermark, damage followed by a later commit is still not taken for a torn tail', () =>
  fc.assert(
    fc.asyncProperty(fc.nat(1_000_000), fc.nat(7), (seed, bit) =>
      withCopy(async (dir) => {
        writeFileSync(join(dir, 'watermark'), ofAnotherBoot(sample.oldWatermark));
        flip(join(dir, sample.lastSegment), seed % (sample.commitEnds.at(-2) ?? 1), bit);
        assert.ok(await isRefused(openAndRead(dir)));
      }),
    ),
    { numRuns: runs },
  ));

test('a missing or shortened segment is found', async () => {
  for (const name of [...sample.sealed.slice(1), sample.lastSegment]) {
    await withCopy(async (dir) => {
      rmSync(join(dir, name));
      assert.ok(await isRefused(openAndRead(dir)));
    });
    await withCopy(async (dir) => {
      truncateSync(join(dir, name), statSync(join(dir, name)).size - 1);
      assert.ok(await isRefused(openAndRead(dir)));
    });
  }
});

/** The same watermark with another boot id, its checksum made good. */
function ofAnotherBoot(watermark: Buffer): Buffer {
  const bytes = Buffer.from(watermark);
  bytes.write('another boot'.padEnd(36), 8, 'latin1');
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}
