/**
 * Recovers a log after a crash. An interrupted commit may have left a torn tail in the last segment: it was never
 * acknowledged and is cut off. Damage anywhere else affects acknowledged facts and is an error. What follows tells the
 * two apart: bytes below the last known watermark, or below a whole frame of a later commit, were durable once.
 *
 * Runs under the writer's lock, in the writer or in the first reader.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, statSync } from 'node:fs';
import { readAt } from '../../lib/files/read-at.js';
import { createFile } from '../../lib/files/durable.js';
import { cutUnacknowledged } from '../../lib/files/removal.js';
import { decodeFrame, frameBytes, frameMagic, maxCommitBytes } from '../arrays/frame.js';
import { corrupt, encodeSegmentHeader, type LogFormat, type SegmentHeader } from './layout.js';
import type { Segments } from './segments.js';
import { lastWatermark, type Watermark } from './watermark.js';

/** Cuts off a torn tail, makes the log durable and returns its end. Throws `log.corrupt` and then changes nothing. */
export function recover(segments: Segments, format: LogFormat, watermarkPath: string): Watermark {
  const numbers = segments.numbers();
  const known = lastWatermark(watermarkPath);
  const last = numbers.at(-1);
  if (last === undefined) {
    if (known !== undefined) throw corrupt(segments.path(known.segment), 'it is missing');
    return createFirst(segments, format);
  }
  if (known !== undefined && known.segment > last)
    throw corrupt(segments.path(known.segment), 'it is missing');
  for (const number of numbers.slice(0, -1)) checkSealed(segments, number);
  return cutTail(segments, last, known?.segment === last ? known.position : 0);
}

function createFirst(segments: Segments, format: LogFormat): Watermark {
  const base = Array.from({ length: segments.partitionCount }, () => 0);
  const header: SegmentHeader = { number: 1, logId: format.logId, previousEnd: 0, base };
  createFile(segments.path(1), encodeSegmentHeader(header));
  return { segment: 1, position: segments.firstFrame, next: base };
}

/** Checks headers and sizes only; readers check every frame they use. */
function checkSealed(segments: Segments, number: number): void {
  const own = segments.requireHeader(number);
  const following = segments.requireHeader(number + 1);
  if (statSync(segments.path(number)).size < following.previousEnd) {
    throw corrupt(segments.path(number), `it is shorter than ${following.previousEnd} bytes`);
  }
  if (following.base.some((base, i) => base < (own.base[i] ?? 0))) {
    throw corrupt(segments.path(number + 1), 'its offsets decrease');
  }
}

function cutTail(segments: Segments, number: number, durableTo: number): Watermark {
  const path = segments.path(number);
  const next = [...segments.requireHeader(number).base];
  const fd = openSync(path, 'r+');
  try {
    const end = scan(fd, segments.firstFrame, (partition, base, count) => {
      if (next[partition] !== base) throw corrupt(path, `partition ${partition} jumps to offset ${base}`);
      next[partition] = base + count;
    });
    if (end < durableTo || isFollowed(fd, end)) {
      throw corrupt(path, `the frame at byte ${end} has been altered since it was acknowledged`);
    }
    cutUnacknowledged(fd, end, durableTo);
    fdatasyncSync(fd);
    return { segment: number, position: end, next };
  } finally {
    closeSync(fd);
  }
}

/** Visits the complete frames from `position` on and returns where they end. */
function scan(
  fd: number,
  position: number,
  visit: (partition: number, base: number, count: number) => void,
): number {
  let at = position;
  for (;;) {
    const bytes = readAt(fd, at, 2 * maxCommitBytes);
    let index = 0;
    for (let frame = decodeFrame(bytes, 0); frame !== undefined; frame = decodeFrame(bytes, index)) {
      visit(frame.partition, frame.base, frame.count);
      index = frame.end;
    }
    at += index;
    if (index === 0) return at;
  }
}

/** Returns true if a frame of a later commit follows the damage at `position`. */
function isFollowed(fd: number, position: number): boolean {
  const left = fstatSync(fd).size - position;
  if (left > maxCommitBytes) return true;
  const bytes = readAt(fd, position, left);
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(frameMagic);
  for (let at = bytes.indexOf(magic, 1); at > 0; at = bytes.indexOf(magic, at + 1)) {
    if (frameBytes(bytes, at) === undefined) continue;
    const frame = decodeFrame(bytes, at);
    if (frame !== undefined && frame.commitStart > position) return true;
  }
  return false;
}
