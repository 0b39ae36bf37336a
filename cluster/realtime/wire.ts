/**
 * The protocol between query processes and speed workers, over HTTP. Requests are JSON. Answers of unknown length are frames: a length of 4 bytes
 * (little-endian), then that many bytes. The writer waits for the reader, so each holds only a few frames in memory.
 *
 *   POST   /snapshots                 opens a snapshot of some partitions of a generation: `SnapshotAnswer`; 409 if it cannot
 *   POST   /snapshots/<id>/cells      frames of cells: see `encodeCell`
 *   POST   /snapshots/<id>/pages      frames of JSON: [[URL, pageviews], ...]
 *   POST   /snapshots/<id>/values     likewise for the values of a dimension
 *   POST   /snapshots/<id>/domains    frames of JSON: [domain, ...], ascending
 *   POST   /snapshots/<id>/edges      frames of JSON: [partition, next, edges]
 *   DELETE /snapshots/<id>            releases it; a snapshot that is not read for a while is released by itself
 *   GET    /state                     position of each store: `StateAnswer`
 *
 * Every request carries the secret of the cluster. All paths below `/snapshots/<id>/` answer 404 if the snapshot is gone.
 */
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { offset, type LogId, type PartitionName } from '../../log/log.js';
import { SketchCell } from '../../facts/views/sketch-cell.js';
import type { SketchView, Subject, ViewId } from '../../facts/views/view.js';

const viewId = z.string().transform((text) => text as ViewId); // only compared, and looked up among existing ones
const partition = z.string().transform((text) => text as PartitionName); // likewise
const position = z.number().transform(offset);

export const snapshotQuestion = z.object({
  generation: viewId,
  partitions: z.array(partition).min(1).max(512),
});

const progress = z.object({
  next: position,
  lastReceivedAt: z.number().optional(),
  fromBucket: z.number(),
  toBucket: z.number(),
  equivs: z.number(),
  retractions: z.number(),
  keptEdges: z.number(),
  exclusions: z.number(),
  deadLetters: z.number(),
});

export const snapshotAnswer = z.object({
  id: z.string(),
  logId: z.string().transform((text) => text as LogId), // only compared
  partitions: z.array(z.tuple([partition, progress])),
});
export type SnapshotAnswer = z.output<typeof snapshotAnswer>;

/** Maximum number of subjects per request. */
export const maxSubjects = 200;

const subject: z.ZodType<Subject> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('page'), url: z.string() }),
  z.object({ kind: z.literal('domain'), domain: z.string() }),
  z.object({ kind: z.literal('value'), dimension: z.string(), domain: z.string(), value: z.string() }),
]);

export const cellsQuestion = z.object({
  subjects: z.array(subject).max(maxSubjects),
  from: z.number(),
  to: z.number(),
});
export const pagesQuestion = z.object({ domain: z.string(), from: z.number(), to: z.number() });
export const valuesQuestion = pagesQuestion.extend({ dimension: z.string() });
export const edgesQuestion = z.object({ from: z.record(z.string(), position) });

export const countsFrame = z.array(z.tuple([z.string(), z.number()]));
export const domainsFrame = z.array(z.string());
export const edgesFrame = z.tuple([
  partition,
  position,
  z.array(
    z.object({
      type: z.enum(['equiv', 'retract']),
      a: z.string(),
      b: z.string(),
      timestamp: z.number(),
      eventId: z.string(),
      offset: position,
    }),
  ),
]);

export const stateAnswer = z.object({
  stores: z.array(z.object({ generation: viewId, partition, next: position, readyAt: position })),
});
export type StateAnswer = z.output<typeof stateAnswer>;

/** No server of ours sends a larger frame. */
const maxFrameBytes = 64 * 2 ** 20;
const lengthBytes = 4;

export function frameOf(payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(lengthBytes + payload.length);
  frame.writeUInt32LE(payload.length);
  frame.set(payload, lengthBytes);
  return frame;
}

/** Splits a stream of bytes into frames. Throws `realtime.gone` if it ends within a frame. */
export async function* framesIn(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    while (rest.length >= lengthBytes) {
      const end = lengthBytes + rest.readUInt32LE();
      if (end > maxFrameBytes) throw notOurs();
      if (rest.length < end) break;
      yield rest.subarray(lengthBytes, end);
      rest = rest.subarray(end);
    }
  }
  if (rest.length > 0) throw notOurs();
}

/** A cell of one of the requested subjects. */
export interface SentCell {
  /** Index of its subject in the request. */
  readonly subject: number;
  readonly cell: SketchCell;
}

/**
 * Encodes a cell in words of 4 bytes, little-endian: index of the subject, base bucket, kind (0 coupons, 1 registers), number of words after the
 * head; then pageviews as float64, and the sketch.
 */
const headWords = 6;

export function encodeCell(
  subjectIndex: number,
  bucket: number,
  pageviews: number,
  sketch: SketchView,
): Buffer {
  const stored = sketch.kind === 'coupons' ? bytesOf(sketch.coupons) : sketch.registers;
  const bytes = Buffer.allocUnsafe(4 * headWords + stored.length);
  bytes.writeUInt32LE(subjectIndex, 0);
  bytes.writeUInt32LE(bucket, 4);
  bytes.writeUInt32LE(sketch.kind === 'coupons' ? 0 : 1, 8);
  bytes.writeUInt32LE(stored.length / 4, 12);
  bytes.writeDoubleLE(pageviews, 16);
  bytes.set(stored, 4 * headWords);
  return bytes;
}

/** Decodes all cells of a frame; the cells do not share the frame's memory. */
export function* cellsIn(frame: Buffer): Generator<SentCell> {
  for (let at = 0; at < frame.length;) {
    if (at + 4 * headWords > frame.length) throw notOurs();
    const end = at + 4 * (headWords + frame.readUInt32LE(at + 12));
    if (end > frame.length) throw notOurs();
    const stored = Uint8Array.prototype.slice.call(frame, at + 4 * headWords, end); // aligned
    const sketch: SketchView =
      frame.readUInt32LE(at + 8) === 0
        ? { kind: 'coupons', coupons: new Uint32Array(stored.buffer) }
        : { kind: 'registers', registers: stored };
    const cell = new SketchCell(frame.readUInt32LE(at + 4), frame.readDoubleLE(at + 16), sketch);
    yield { subject: frame.readUInt32LE(at), cell };
    at = end;
  }
}

export function sizeOf({ sketch }: SketchCell): number {
  return 4 * headWords + (sketch.kind === 'coupons' ? 4 * sketch.coupons.length : sketch.registers.length);
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function notOurs(): SwaError {
  return new SwaError('realtime.gone', 'a speed worker answered with what is not an answer', {
    retryable: true,
  });
}
