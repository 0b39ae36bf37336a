/** Whole files from a store, in pieces and checked: what arrives has the size and the SHA-256 it must have, or does not arrive. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SwaError } from '../../lib/errors/errors.js';
import type { FileDigest } from '../../lib/files/digest.js';
import { makeDirDurable } from '../../lib/files/durable.js';
import { moveDurably, removeScratch } from '../../lib/files/removal.js';
import { urlOf, type Store } from './store.js';

const pieceBytes = 8 * 2 ** 20;

/**
 * Brings an object to `path`, durably; nothing is there before it is whole.
 * @param keys of the object, or of the parts that follow each other
 */
export async function fetchFile(
  store: Store,
  keys: readonly string[],
  path: string,
  wanted: FileDigest,
  signal?: AbortSignal,
): Promise<void> {
  makeDirDurable(dirname(path));
  const temp = `${path}.fetching.tmp`;
  removeScratch(temp);
  const hash = createHash('sha256');
  const where = urlOf(store, keys[0] ?? '');
  try {
    const file = await open(temp, 'wx');
    try {
      let written = 0;
      for (const key of keys)
        for await (const bytes of piecesOf(store, key, signal)) {
          if (written + bytes.length > wanted.sizeBytes) break;
          hash.update(bytes);
          await file.writeFile(bytes);
          written += bytes.length;
        }
      const sha256 = hash.digest('hex');
      if (written !== wanted.sizeBytes || sha256 !== wanted.sha256)
        throw new SwaError(
          'store.corrupt',
          `${where} is damaged: it has SHA-256 ${sha256} (${written} bytes), and was stored with ${wanted.sha256} (${wanted.sizeBytes} bytes)`,
          { hint: 'it was not used; restore the object from a version or a copy of the bucket' },
        );
      await file.sync();
    } finally {
      await file.close();
    }
    moveDurably(temp, path);
  } finally {
    removeScratch(temp);
  }
}

async function* piecesOf(store: Store, key: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  let etag: string | undefined;
  for (let from = 0, sizeBytes = 1; from < sizeBytes; from += pieceBytes) {
    signal?.throwIfAborted();
    const piece = await store.get(key, { from, to: from + pieceBytes });
    if (piece === undefined || (etag ?? piece.etag) !== piece.etag)
      throw new SwaError(
        'store.corrupt',
        `${urlOf(store, key)} ${piece === undefined ? 'is missing' : 'was replaced while it was read'}`,
        { hint: 'restore the object from a version or a copy of the bucket' },
      );
    ({ etag, sizeBytes } = piece);
    yield piece.bytes;
  }
}
