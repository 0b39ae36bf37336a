/**
 * Makes files readable by their owner only, because a data directory holds who visited what. This covers everything our
 * processes create, also through libraries, whatever the umask they were started with.
 */
import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { systemCode } from '../errors/errors.js';

const others = 0o077;

/** Makes this process, its threads and its children create directories with mode 0700 and files with 0600. */
export function makeFilesPrivate(): void {
  if (isMainThread) process.umask(others); // threads share the umask of their process and may not set it
}

/**
 * Removes the permissions of group and others from a directory and everything in it, if the directory itself grants
 * any. Returns false if something could not be changed because another user owns it; undefined if there was nothing to
 * do.
 */
export function restrictToOwner(dir: string): boolean | undefined {
  return isOpen(dir) ? closeTree(dir) : undefined;
}

function isOpen(path: string): boolean {
  return (lstatSync(path).mode & others) !== 0;
}

function closeTree(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return true; // gone meanwhile, or a link, which is not followed
  let isClosed = true;
  if (stat.isDirectory()) {
    for (const name of namesIn(path)) if (!closeTree(join(path, name))) isClosed = false;
  }
  if ((stat.mode & others) === 0) return isClosed;
  try {
    chmodSync(path, stat.mode & ~others & 0o7777);
    return isClosed;
  } catch (error) {
    return systemCode(error) === 'ENOENT' && isClosed;
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'EACCES') return [];
    throw error;
  }
}
