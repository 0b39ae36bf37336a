/**
 * What query processes and speed workers say to each other over HTTP. Questions are JSON; answers whose length no one knows beforehand are
 * frames: a length of 4 bytes (little-endian), then so many bytes. Who writes waits for who reads, so neither ever holds more than a few.
 *
 *   POST   /snapshots                 opens a snapshot of some partitions of a generation: `SnapshotAnswer`, or 409 where it cannot
 *   POST   /snapshots/<id>/cells      frames of cells: see `encodeCell`
 *   POST   /snapshots/<id>/pages      frames of JSON: [[URL, pageviews], ...]
 *   POST   /snapshots/<id>/values     the same with values of a dimension
 *   POST   /snapshots/<id>/domains    frames of JSON: [domain, ...], ascending
 *   POST   /snapshots/<id>/edges      frames of JSON: [partition, next, edges]
 *   DELETE /snapshots/<id>            gives it back; one that is not asked for a while is given back by itself
 *   GET    /state                     how far each store is: `StateAnswer`
 *
 * Every request carries the secret of the cluster. A path that does not begin a snapshot answers 404 when the snapshot is gone.
 */
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { offset, type LogId, type PartitionName } from '../../log/log.js';
import { SketchCell } from '../../facts/views/sketch-cell.js';
import type { SketchView, Subject, ViewId } from '../../facts/views/view.js';

const viewId = z.string().transform((text) => text as ViewId); // compared only, and looked up among those that are there
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
  logId: z.string().transform((text) => text as LogId), // compared only
  partitions: z.array(z.tuple([partition, progress])),
});
export type SnapshotAnswer = z.output<typeof snapshotAnswer>;

/** Asked for at once at most. */
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

/** A frame larger than any that is sent is of no server of ours. */
const maxFrameBytes = 64 * 2 ** 20;
const lengthBytes = 4;

export function frameOf(payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(lengthBytes + payload.length);
  frame.writeUInt32LE(payload.length);
  frame.set(payload, lengthBytes);
  return frame;
}

/** Takes frames out of bytes that come in pieces. Throws where they end within a frame. */
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

/** A cell of one of the subjects that were asked for. */
export interface SentCell {
  /** Place of its subject in the question. */
  readonly subject: number;
  readonly cell: SketchCell;
}

/**
 * Words of 4 bytes, little-endian: place of the subject, base bucket, form (0 coupons, 1 registers), number of words that follow the head; then
 * pageviews as float64 and the sketch.
 */
const headWords = 6;

export function encodeCell(place: number, bucket: number, pageviews: number, sketch: SketchView): Buffer {
  const stored = sketch.kind === 'coupons' ? bytesOf(sketch.coupons) : sketch.registers;
  const bytes = Buffer.allocUnsafe(4 * headWords + stored.length);
  bytes.writeUInt32LE(place, 0);
  bytes.writeUInt32LE(bucket, 4);
  bytes.writeUInt32LE(sketch.kind === 'coupons' ? 0 : 1, 8);
  bytes.writeUInt32LE(stored.length / 4, 12);
  bytes.writeDoubleLE(pageviews, 16);
  bytes.set(stored, 4 * headWords);
  return bytes;
}

/** All cells of a frame; their memory is their own. */
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
