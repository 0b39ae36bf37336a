/**
 * Reads the lines of a log while it is being written, like `tail -F`. Ends when the file is rotated: renamed and replaced by a new one, or truncated
 * (`copytruncate`). The caller then follows the new file.
 */
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError } from '../lib/errors/errors.js';
import { isGzip, refuseOtherKinds } from './file-kinds.js';
import { LineSplitter, checkFile, type ByteProgress, type LineBlock } from './lines.js';

export interface FollowOptions {
  /** Interval between reads at the end of the file. */
  readonly pollMs: number;
  /** A renamed file is read until nothing was appended for this long, because its writer may still have it open. */
  readonly graceMs: number;
}

export const followDefaults: FollowOptions = { pollMs: 250, graceMs: 5_000 };

/** Ends at a rotation, or when `signal` aborts. Throws `import.failed` for a file that cannot be read. */
export async function* followLines(
  path: string,
  progress: ByteProgress,
  signal: AbortSignal | undefined,
  { pollMs, graceMs }: FollowOptions = followDefaults,
): AsyncGenerator<LineBlock> {
  await checkFile(path);
  const file = await open(path);
  try {
    const { ino, dev } = await file.stat();
    const splitter = new LineSplitter();
    const chunk = Buffer.alloc(256 * 1024);
    let position = 0;
    let silentMs = 0;
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
      if (bytesRead > 0) {
        const bytes = Buffer.from(chunk.subarray(0, bytesRead)); // lines refer to these bytes
        if (position === 0) refuseCompressed(bytes, path);
        position += bytesRead;
        silentMs = 0;
        progress.readBytes = position;
        const blocks = splitter.push(bytes);
        progress.nulBytes = splitter.nulBytes;
        yield* blocks;
        continue;
      }
      if (signal?.aborted === true) break;
      const now = await stat(path).catch(() => undefined);
      const isSame = now !== undefined && now.ino === ino && now.dev === dev;
      if (isSame && now.size < position) break;
      if (!isSame && now !== undefined && silentMs >= graceMs) break;
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      silentMs += pollMs;
    }
    yield* splitter.end();
  } finally {
    await file.close();
  }
}

function refuseCompressed(first: Buffer, path: string): void {
  refuseOtherKinds(first);
  if (isGzip(first))
    throw new SwaError(
      'import.failed',
      `'${path}' is compressed: --follow needs a plain file that lines are appended to`,
    );
}
