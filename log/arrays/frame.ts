/** Encodes and decodes the frames of a segment; log/embedded/layout.ts shows the layout. */
import { crc32 } from 'node:zlib';

export const frameMagic = 0x53574652;
export const frameHeaderBytes = 32;
/** Maximum size of a commit, and so of a torn tail. */
export const maxCommitBytes = 8 * 2 ** 20;

export interface Frame {
  readonly partition: number;
  readonly base: number;
  readonly count: number;
  /** Position of the first frame of its commit. */
  readonly commitStart: number;
  /** Index in the buffer at which the next frame begins. */
  readonly end: number;
}

/** Returns the size of the frame at `at` in bytes; undefined if the buffer has no complete frame header there. */
export function frameBytes(bytes: Buffer, at: number): number | undefined {
  if (at + frameHeaderBytes > bytes.length || bytes.readUInt32LE(at) !== frameMagic) return undefined;
  return frameHeaderBytes + bytes.readUInt32LE(at + 8);
}

/** Decodes the frame at `at` and checks its crc; undefined if there is no complete, undamaged frame. */
export function decodeFrame(bytes: Buffer, at: number): Frame | undefined {
  const length = frameBytes(bytes, at);
  if (length === undefined || at + length > bytes.length) return undefined;
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + length))) return undefined;
  return {
    count: bytes.readUInt32LE(at + 12),
    partition: bytes.readUInt32LE(at + 16),
    commitStart: bytes.readUInt32LE(at + 20),
    base: bytes.readDoubleLE(at + 24),
    end: at + length,
  };
}

/** Writes the header of a frame whose body is already in `bytes`. */
export function encodeFrameHeader(bytes: Buffer, at: number, frame: Frame): void {
  bytes.writeUInt32LE(frameMagic, at);
  bytes.writeUInt32LE(frame.end - at - frameHeaderBytes, at + 8);
  bytes.writeUInt32LE(frame.count, at + 12);
  bytes.writeUInt32LE(frame.partition, at + 16);
  bytes.writeUInt32LE(frame.commitStart, at + 20);
  bytes.writeDoubleLE(frame.base, at + 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, frame.end)), at + 4);
}
