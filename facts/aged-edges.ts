/**
 * Edges to erase because they are too old (SWA_RETENTION_DAYS): before the time from which facts are kept, with no id that a pageview since has.
 * Whether an edge is one of them depends on all facts, so the batch layer finds their pairs, and orders their erasure with a file of hashes
 * beside the order: <data>/erasures/edges-<order>.bin, 16 bytes for each pair, ascending.
 */
import { join } from 'node:path';
import { SwaError } from '../lib/errors/errors.js';
import { roomOf } from '../lib/files/data-dir.js';
import { replaceFile } from '../lib/files/durable.js';
import { bytesIfThere } from '../lib/files/read-if-there.js';
import { hashBytes } from '../lib/memory/keyed-hash.js';
import type { ErasureHash } from './erasures.js';
import type { EquivEdge } from './fact.js';

type Pair = Pick<EquivEdge, 'a' | 'b'>;

/** Maximum number of pairs in one order; further ones follow with the next day's. */
export const maxAgedPairs = 1_000_000;

export class AgedEdges {
  readonly #hashes: Buffer;
  readonly #hash: ErasureHash;

  constructor(hashes: Buffer, hash: ErasureHash) {
    this.#hashes = hashes;
    this.#hash = hash;
  }

  get isEmpty(): boolean {
    return this.#hashes.length === 0;
  }

  /** Whether the pair of an edge, in either order, is among them. */
  has(edge: Pair): boolean {
    if (this.isEmpty) return false;
    const wanted = this.#hash.ofPair(edge);
    let [low, high] = [0, this.#hashes.length / hashBytes];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#hashes.compare(wanted, 0, hashBytes, middle * hashBytes, (middle + 1) * hashBytes);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}

/** Content of the file for pairs, each once. @param hashes as ErasureHash.ofPair makes them */
export function agedEdgesOf(hashes: readonly Buffer[]): Buffer {
  return Buffer.concat(hashes.toSorted((a, b) => a.compare(b)));
}

/** Durable on return. */
export function saveAgedEdges(dataDir: string, orderId: string, content: Uint8Array): void {
  replaceFile(agedEdgesPath(dataDir, orderId), content);
}

/** Throws `data-dir.unusable` if the file does not have `count` pairs. */
export function readAgedEdges(dataDir: string, orderId: string, count: number): Buffer {
  if (count === 0) return Buffer.alloc(0);
  const path = agedEdgesPath(dataDir, orderId);
  const content = bytesIfThere(path);
  if (content?.length === count * hashBytes) return content;
  throw new SwaError('data-dir.unusable', `${path} is missing or damaged`, {
    hint: 'delete order.json beside it: the order is given again',
  });
}

export function agedEdgesName(orderId: string): string {
  return `edges-${orderId}.bin`;
}

export function isAgedEdgesName(name: string): boolean {
  return /^edges-[0-9a-f]+\.bin$/.test(name);
}

function agedEdgesPath(dataDir: string, orderId: string): string {
  return join(roomOf(dataDir, 'erasures'), agedEdgesName(orderId));
}
