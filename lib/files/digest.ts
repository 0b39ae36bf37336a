/** Computes the size and SHA-256 of a file, read in pieces. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

export interface FileDigest {
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

const pieceBytes = 1 << 20;

export async function digestFile(path: string): Promise<FileDigest> {
  const file = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(pieceBytes);
    let sizeBytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, pieceBytes, sizeBytes);
      if (bytesRead === 0) return { sizeBytes, sha256: hash.digest('hex') };
      hash.update(bytesRead === pieceBytes ? piece : piece.subarray(0, bytesRead));
      sizeBytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}
