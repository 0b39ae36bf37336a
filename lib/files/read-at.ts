/** Reads complete ranges of an open file; a single system call may return fewer bytes than requested. */
import { readSync } from 'node:fs';

/** Fills `into` from byte `position` on. Returns the number of bytes read; fewer only at the end of the file. */
export function readInto(fd: number, position: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Reads `length` bytes from byte `position` on; fewer only at the end of the file. */
export function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readInto(fd, position, bytes));
}
