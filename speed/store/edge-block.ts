/**
 * Edges in a realtime store: blocks of up to 256 per record, ascending by offset.
 *
 *   key     'e', then the offset after the last edge as 8 bytes, big-endian
 *   value   checksum (cell-codec.ts) of all following bytes as 4 bytes, little-endian; then JSON, padded with blanks to
 *           whole words: [[offset, type, timestamp, eventId, a, b], ...]
 */
import { z } from 'zod';
import { SwaError } from '../../lib/errors/errors.js';
import { offset, type Offset } from '../../log/log.js';
import { validJson } from '../../lib/files/valid-json.js';
import type { WaitingEdge } from '../../facts/views/view.js';
import { checksumOf } from './cell-codec.js';

/** Small enough that a reader can pause between two blocks. */
const edgesInBlock = 256;

const edgeTag = 0x65;
const keyBytes = 9;
const headBytes = 4;

/** A record of the store. */
export interface StoredEdges {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Encodes edges, which ascend by offset. */
export function encodeEdges(edges: readonly WaitingEdge[]): StoredEdges[] {
  const blocks: StoredEdges[] = [];
  for (let from = 0; from < edges.length; from += edgesInBlock) {
    const block = edges.slice(from, from + edgesInBlock);
    blocks.push({ key: edgeKey((block.at(-1)?.offset ?? 0) + 1), value: encode(block) });
  }
  return blocks;
}

function encode(edges: readonly WaitingEdge[]): Uint8Array {
  const rows = edges.map(({ offset: at, type, timestamp, eventId, a, b }) => [
    at,
    type,
    timestamp,
    eventId,
    a,
    b,
  ]);
  const json = Buffer.from(JSON.stringify(rows));
  const words = new Uint32Array(1 + Math.ceil(json.length / 4));
  const bytes = new Uint8Array(words.buffer);
  bytes.fill(blank);
  bytes.set(json, headBytes);
  words[0] = checksumOf(words, 1, words.length);
  return bytes;
}

const blank = 0x20;

const edgesSchema = z.array(
  z
    .tuple([z.number(), z.enum(['equiv', 'retract']), z.number(), z.string(), z.string(), z.string()])
    .transform(([at, type, timestamp, eventId, a, b]): WaitingEdge => ({
      type,
      a,
      b,
      timestamp,
      eventId,
      offset: offset(at),
    })),
);

/** Throws `realtime.corrupt` if the checksum does not match. */
export function decodeEdges(stored: Uint8Array): readonly WaitingEdge[] {
  const bytes = stored.byteOffset % 4 === 0 ? stored : stored.slice(); // words need aligned memory
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  const isWhole = words.length > 0 && words[0] === checksumOf(words, 1, words.length);
  const json = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8', headBytes);
  const edges = isWhole && bytes.length % 4 === 0 ? validJson(edgesSchema, json) : undefined;
  if (edges === undefined) {
    throw new SwaError('realtime.corrupt', 'edges of the realtime view are damaged', {
      retryable: true,
      hint: 'the speed layer rebuilds the view from the log',
    });
  }
  return edges;
}

/** Half-open key range of the blocks with edges from an offset on. */
export function edgeRange(from: number): { readonly start: Buffer; readonly end: Buffer } {
  return { start: edgeKey(from + 1), end: Buffer.of(edgeTag + 1) };
}

export function isEdgeKey(key: Uint8Array): boolean {
  return key[0] === edgeTag && key.length === keyBytes;
}

/** The offset after the last edge of a block. */
export function nextOfEdgeKey(key: Uint8Array): Offset {
  return offset(Number(new DataView(key.buffer, key.byteOffset, key.length).getBigUint64(1)));
}

function edgeKey(next: number): Buffer {
  const key = Buffer.alloc(keyBytes);
  key[0] = edgeTag;
  key.writeBigUInt64BE(BigInt(next), 1);
  return key;
}
