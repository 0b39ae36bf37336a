/** A block that was written: its place, and what the content hash takes of it. */
import { hashKeyBytes, KeyedHash } from '../../lib/memory/keyed-hash.js';
import type { BlockPlace } from './block-table.js';

export interface WrittenBlock extends BlockPlace {
  /** `hashWords` words. */
  readonly hash: Int32Array;
}

/**
 * Hashes blocks for a view's content hash: 128 bits under a key that is the same everywhere, since views are compared that
 * were made on different machines. It tells views apart that faults made different, not those that someone forged.
 */
export function blockHasher(): KeyedHash {
  return new KeyedHash(new Uint8Array(hashKeyBytes));
}
