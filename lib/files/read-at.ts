/** Reading from a place of an open file, whole: the system may return fewer bytes at once than were asked for. */
import { readSync } from 'node:fs';

/** Fills `into` with what the file has from byte `position` on. Returns how many bytes it had: fewer only at its end. */
export function readInto(fd: number, position: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Up to `length` bytes from byte `position` on: fewer only at the file's end. */
export function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readInto(fd, position, bytes));
}
