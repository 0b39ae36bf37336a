/**
 * Writes files that survive a power cut. The rules: data is durable only after its fsync, a name only after the fsync
 * of its directory; a short write is an incomplete write; a failed fsync is never retried on the same file, because the
 * kernel may have dropped the dirty pages (the caller rewrites from the source, or exits).
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { systemCode } from '../errors/errors.js';

/** Makes the entries of a directory durable. */
export function fsyncDir(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes the bytes of an existing file durable (also one that another program wrote). */
export function fsyncFile(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Like `fsyncFile`, without blocking the thread: for large files. */
export async function fsyncLargeFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes all of `bytes` at `position`; a single `writeSync` may write less before it fails with ENOSPC. */
export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/**
 * Creates a directory and its missing parents, and makes each entry durable. It does not use `mkdir`'s recursive mode,
 * which never returns if a parent exists but rejects children with ENOENT, as /proc does.
 */
export function makeDirDurable(dir: string): void {
  const path = resolve(dir);
  if (makeOneDir(path)) return;
  makeDirDurable(dirname(path));
  if (!makeOneDir(path))
    throw new Error(`cannot create '${path}': its parent directory exists but does not accept new entries`);
}

/** Returns false if the parent is missing. */
function makeOneDir(path: string): boolean {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST' && statSync(path).isDirectory()) return true;
    if (systemCode(error) === 'ENOENT' && dirname(path) !== path) return false;
    throw error;
  }
  fsyncDir(dirname(path));
  return true;
}

/** Replaces `path` atomically: after a crash it holds either the old or the new bytes. */
export function replaceFile(path: string, bytes: Uint8Array | string): void {
  const temp = writeTemp(path, bytes);
  renameSync(temp, path);
  fsyncDir(dirname(path));
}

/** Like `replaceFile`, without fsync: for a note that may be lost in a power cut. */
export function replaceNote(path: string, text: string): void {
  const temp = `${path}.${process.pid}.tmp`;
  writeFileSync(temp, text);
  renameSync(temp, path);
}

/**
 * Creates `path` with these bytes unless it exists: put-if-absent, by link(2). Returns false, and changes nothing, if
 * it exists.
 */
export function createFile(path: string, bytes: Uint8Array | string): boolean {
  const temp = writeTemp(path, bytes);
  try {
    linkSync(temp, path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(temp);
  }
  fsyncDir(dirname(path));
  return true;
}

function writeTemp(path: string, bytes: Uint8Array | string): string {
  const temp = `${path}.${process.pid}.${tempCounter()}.tmp`;
  const fd = openSync(temp, 'wx');
  try {
    writeFully(fd, typeof bytes === 'string' ? Buffer.from(bytes) : bytes, 0);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(temp);
    throw error;
  } finally {
    closeSync(fd);
  }
  return temp;
}

const tempCounter = ((): (() => string) => {
  let next = 0;
  return () => `${process.hrtime.bigint().toString(36)}-${next++}`;
})();
