/**
 * Files that only their owner may read: a data directory holds who visited what. Everything a process of ours makes is made so,
 * also by libraries, whatever the umask it was started with.
 */
import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { systemCode } from '../errors/errors.js';

const others = 0o077;

/** From now on this process, its threads and its children make directories 0700 and files 0600. */
export function makeFilesPrivate(): void {
  if (isMainThread) process.umask(others); // threads have that of their process, and may not set it
}

/**
 * Takes the rights of all others from a directory and what is in it, where the directory itself gives them any. Returns false when
 * something could not be changed, since it belongs to another process; undefined when there was nothing to do.
 */
export function closeToOthers(dir: string): boolean | undefined {
  return isOpen(dir) ? closeTree(dir) : undefined;
}

function isOpen(path: string): boolean {
  return (lstatSync(path).mode & others) !== 0;
}

function closeTree(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return true; // gone meanwhile, or not ours to follow
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
