/** Downloads whole files from a store in pieces, and checks their size and SHA-256. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { SwaError } from '../../lib/errors/errors.js';
import type { FileDigest } from '../../lib/files/digest.js';
import { removeScratch } from '../../lib/files/removal.js';
import { damagedObject, restoreHint, urlOf, type Store } from './store.js';

const pieceBytes = 8 * 2 ** 20;

/**
 * Downloads an object to `path` and syncs the file, but not its directory; leaves no file if it throws. `path` must be new, and must not be the name
 * of a file that is kept (lib/files/removal.ts). Throws `store.corrupt`.
 * @param keys of the object, or of its parts in order
 */
export async function fetchFile(
  store: Store,
  keys: readonly string[],
  path: string,
  wanted: FileDigest,
): Promise<void> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    let written = 0;
    for (const key of wanted.sizeBytes === 0 ? [] : keys)
      for await (const bytes of piecesOf(store, key)) {
        if (written + bytes.length > wanted.sizeBytes) break;
        hash.update(bytes);
        await file.writeFile(bytes);
        written += bytes.length;
      }
    const sha256 = hash.digest('hex');
    if (written !== wanted.sizeBytes || sha256 !== wanted.sha256)
      throw new SwaError(
        'store.corrupt',
        `${urlOf(store, keys[0] ?? '')} is damaged: it has SHA-256 ${sha256} (${written} bytes), and was stored with ${wanted.sha256} (${wanted.sizeBytes} bytes)`,
        { hint: `it was not used; ${restoreHint}` },
      );
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close();
    removeScratch(path);
    throw error;
  }
}

async function* piecesOf(store: Store, key: string): AsyncGenerator<Buffer> {
  let etag: string | undefined;
  for (let from = 0, sizeBytes = 1; from < sizeBytes; from += pieceBytes) {
    const piece = await store.get(key, { from, to: from + pieceBytes });
    if (piece === undefined || (etag ?? piece.etag) !== piece.etag)
      throw damagedObject(store, key, piece === undefined ? 'is missing' : 'was replaced while it was read');
    ({ etag, sizeBytes } = piece);
    yield piece.bytes;
  }
}

/** The size of an object; undefined if it is missing. */
export async function sizeOf(store: Store, key: string): Promise<number | undefined> {
  return (await store.get(key, { from: 0, to: 1 }))?.sizeBytes;
}
