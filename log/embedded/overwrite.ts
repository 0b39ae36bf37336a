/**
 * Overwrites records of a sealed segment. A record keeps its place and length: it becomes a stand-in padded with
 * spaces, so only the crc of its frame changes besides. The segment is not written in place: a copy is made beside it,
 * checked, and renamed over it, so a reader sees either the old file or the new one. A reader that has the old one open
 * keeps it until it moves to the next segment.
 */
import { closeSync, fstatSync, fsyncSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { writeFully } from '../../lib/files/durable.js';
import { readAt } from '../../lib/files/read-at.js';
import { removeScratch, replaceByCopy } from '../../lib/files/removal.js';
import {
  decodeFrame,
  encodeFrameHeader,
  frameHeaderBytes,
  maxCommitBytes,
  type Frame,
} from '../arrays/frame.js';
import { parsePartitionName, type PartitionName, type OverwriteOptions, type RecordTest } from '../log.js';
import { standIn } from '../stand-in.js';
import { corrupt } from './layout.js';

/** Time after which the loop yields to other work of this process. */
const turnMs = 4;

export interface SegmentToOverwrite {
  readonly path: string;
  /** Byte positions at which its frames begin and end. */
  readonly firstFrame: number;
  readonly end: number;
  readonly partitions: readonly PartitionName[];
}

/** Returns the path of the copy. A copy left by a crash is replaced. */
export function copyPath(path: string): string {
  return `${path}.erasing.tmp`;
}

/** Overwrites the wanted records, durable on return. Throws `log.corrupt` and changes nothing if a frame is damaged. */
export async function overwriteSegment(
  segment: SegmentToOverwrite,
  { isWanted, signal, onFile }: OverwriteOptions,
): Promise<void> {
  const { path, firstFrame, end, partitions } = segment;
  const copy = copyPath(path);
  const from = openSync(path, 'r');
  let to: number | undefined;
  try {
    let overwritten = 0;
    let since = performance.now();
    for (let at = firstFrame; at < end;) {
      const bytes = readAt(from, at, Math.min(end - at, 2 * maxCommitBytes));
      let index = 0;
      const found = overwritten;
      for (let frame = decodeFrame(bytes, 0); frame !== undefined; frame = decodeFrame(bytes, index)) {
        overwritten += overwriteFrame(bytes, index, frame, partitions, isWanted);
        index = frame.end;
        if (performance.now() - since < turnMs) continue;
        await new Promise(setImmediate);
        signal.throwIfAborted();
        since = performance.now();
      }
      if (index === 0) throw corrupt(path, `the frame at byte ${at} has been altered since it was written`);
      if (to === undefined && overwritten > found) {
        removeScratch(copy);
        to = openSync(copy, 'wx+');
        copyBytes(from, to, at);
      }
      if (to !== undefined) writeFully(to, bytes.subarray(0, index), at);
      at += index;
    }
    if (to === undefined) return;
    fsyncSync(to);
    const written = to;
    onFile(basename(path), overwritten);
    replaceByCopy(copy, path, () => requireFrames(copy, written, segment));
  } finally {
    closeSync(from);
    if (to !== undefined) closeSync(to);
    removeScratch(copy);
  }
}

/** Overwrites wanted records of the frame at `at` and returns their number. */
function overwriteFrame(
  bytes: Buffer,
  at: number,
  frame: Frame,
  partitions: readonly PartitionName[],
  isWanted: RecordTest,
): number {
  const name = partitions[frame.partition];
  if (name === undefined) return 0;
  const { topic } = parsePartitionName(name);
  let overwritten = 0;
  let lengthAt = at + frameHeaderBytes;
  let valueAt = lengthAt + 4 * frame.count;
  for (let i = 0; i < frame.count; i++, lengthAt += 4) {
    const value = bytes.subarray(valueAt, (valueAt += bytes.readUInt32LE(lengthAt)));
    if (!isWanted(value, topic)) continue;
    const instead = standIn('erased');
    value.fill(' ');
    if (instead.length <= value.length) value.set(instead); // a record shorter than a stand-in was not a fact; spaces are not one either
    overwritten++;
  }
  if (overwritten > 0) encodeFrameHeader(bytes, at, frame);
  return overwritten;
}

function copyBytes(from: number, to: number, length: number): void {
  for (let at = 0; at < length;) {
    const bytes = readAt(from, at, Math.min(length - at, maxCommitBytes));
    if (bytes.length === 0) return; // the check of the copy reports it
    writeFully(to, bytes, at);
    at += bytes.length;
  }
}

/** Throws unless the copy has the same header, and the same frames up to the end. */
function requireFrames(copy: string, fd: number, { path, firstFrame, end }: SegmentToOverwrite): void {
  const original = openSync(path, 'r');
  try {
    const isSame = readAt(fd, 0, firstFrame).equals(readAt(original, 0, firstFrame));
    if (!isSame || fstatSync(fd).size !== end) throw corrupt(copy, 'it is not a copy of its segment');
    for (let at = firstFrame; at < end;) {
      const length = Math.min(end - at, 2 * maxCommitBytes);
      const [bytes, was] = [readAt(fd, at, length), readAt(original, at, length)];
      let index = 0;
      for (let frame = decodeFrame(bytes, 0); frame !== undefined; frame = decodeFrame(bytes, index)) {
        const before = decodeFrame(was, index);
        if (before?.base !== frame.base || before.count !== frame.count || before.end !== frame.end)
          throw corrupt(copy, `the frame at byte ${at + index} is not that of its segment`);
        index = frame.end;
      }
      if (index === 0) throw corrupt(copy, `it has no whole frame at byte ${at}`);
      at += index;
    }
  } finally {
    closeSync(original);
  }
}
