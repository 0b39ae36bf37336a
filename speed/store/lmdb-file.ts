/**
 * A look at an LMDB file before LMDB does: it maps the file and trusts it, and a file that is not one ends the process.
 * Two meta pages begin the file, and the one with the higher transaction id counts. Of each, from the page's byte 24 on:
 *
 *   magic 0xBEEFC0DE (uint32), version (uint32), address, map size (uint64 each), two trees of 48 bytes each, the main one
 *   ending with its root page (uint64, all ones for an empty tree); then the last page and the transaction id (uint64)
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../../lib/errors.js';

const pageBytes = 4_096;
const magic = 0xbeefc0de;
const at = { magic: 24, root: 136, transaction: 152 } as const;
const noPage = 2n ** 64n - 1n;

/** False for what cannot be opened without harm: no such file, other content, or cut off before its tree. */
export function looksSound(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    const metas = Buffer.alloc(2 * pageBytes);
    if (readSync(fd, metas, 0, metas.length, 0) < metas.length) return false;
    const [first, second] = [metas.subarray(0, pageBytes), metas.subarray(pageBytes)];
    if (first.readUInt32LE(at.magic) !== magic || second.readUInt32LE(at.magic) !== magic) return false;
    const newest =
      second.readBigUInt64LE(at.transaction) > first.readBigUInt64LE(at.transaction) ? second : first;
    const root = newest.readBigUInt64LE(at.root);
    return root === noPage || (root + 1n) * BigInt(pageBytes) <= BigInt(fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}
