/** A block in a cell file: its position, and its hash for the content hash. */
import { hashKeyBytes, KeyedHash } from '../../lib/memory/keyed-hash.js';
import type { BlockLocation } from './block-table.js';

export interface WrittenBlock extends BlockLocation {
  /** 128 bits: `hashWords` words. */
  readonly hash: Int32Array;
}

/**
 * Hashes blocks for a view's content hash: 128 bits under a constant key, because views made on different machines are compared. It detects
 * differences made by faults, not forgeries.
 */
export function blockHasher(): KeyedHash {
  return new KeyedHash(new Uint8Array(hashKeyBytes));
}
