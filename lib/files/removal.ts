/**
 * The one place that removes files, renames them away or cuts them, so that nothing is lost by mistake (ARCHITECTURE, I10).
 *
 * Two kinds of files are told apart. Facts and views (segments and format of the log, data files, manifests and root of the
 * master dataset, batch views and CURRENT) cannot be recreated, or not soon: they go only by `removeReplaced`, which has
 * the caller prove first that what replaces them is whole and durable, or by `moveAside`, which keeps them. Everything else
 * is scratch (temp files, notes, locks, realtime stores) and goes by `removeScratch`, which refuses facts and views by name.
 *
 * lib/test/removal.test.ts holds that no other module calls `rm`, `unlink`, `rename` or `truncate`.
 */
import {
  existsSync,
  ftruncateSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SwaError, systemCode } from '../errors/errors.js';
import { fsyncDir } from './durable.js';

/** What a file or folder must not be called to be scratch. */
const keptNames: readonly RegExp[] = [
  /^segment-\d+\.log$/,
  /^(format|root)\.json$/,
  /^\d{10,}\.json$/, // a manifest
  /\.parquet$/,
  /^CURRENT$/,
  /^v\d{6,}-[0-9a-f]{8}$/, // a batch view; a generation of the speed layer has the same name, and lies in speed/
  /^(log|master|serving|manifests|views|pageviews|equivs|p\d+)$/,
];

/** True for the names of facts and views. */
export function isKept(path: string): boolean {
  const name = basename(path);
  if (basename(dirname(path)) === 'speed') return false;
  return keptNames.some((pattern) => pattern.test(name));
}

/** Removes a file, or a folder with all in it, that can be rebuilt; it may be gone already. */
export function removeScratch(path: string): void {
  if (isKept(path)) {
    throw new SwaError('internal.invariant', `${path} is not a temporary file: it was not removed`);
  }
  rmSync(path, { recursive: true, force: true });
}

/** Removes a folder if nothing is in it. True when it is gone. */
export function removeIfEmpty(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return true;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    return false;
  }
}

/**
 * Removes facts or views that something else replaces; durable on return.
 * @param prove throws unless what replaces all of `paths` is whole and durable; then nothing is removed
 */
export function removeReplaced(paths: readonly string[], prove: () => void): void {
  if (paths.length === 0) return;
  prove();
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  for (const dir of new Set(paths.map((path) => dirname(path)))) fsyncDir(dir);
}

/**
 * Puts a copy in the place of the file that it replaces, in one step; durable on return.
 * @param prove throws unless the copy is whole and durable; then nothing has changed
 */
export function replaceByCopy(copy: string, path: string, prove: () => void): void {
  prove();
  renameSync(copy, path);
  fsyncDir(dirname(path));
}

/** Cuts off what stands behind `end` in an open file: a write that was never acknowledged, and that no reader has seen. */
export function cutUnacknowledged(fd: number, end: number, acknowledgedTo: number): void {
  if (end < acknowledgedTo) {
    throw new SwaError(
      'internal.invariant',
      `refused to truncate a file to ${end} bytes: ${acknowledgedTo} bytes are acknowledged`,
    );
  }
  ftruncateSync(fd, end);
}

/** Renames within one file system, durable on return. What is at `to` must be an empty folder, or nothing. */
export function moveDurably(from: string, to: string): void {
  if (existsSync(to) && !(statSync(to).isDirectory() && readdirSync(to).length === 0)) {
    throw Object.assign(new Error(`cannot move ${from}: ${to} already exists`), { code: 'EEXIST' });
  }
  renameSync(from, to);
  fsyncDir(dirname(to));
  if (dirname(from) !== dirname(to)) fsyncDir(dirname(from));
}

/**
 * Puts a file or folder into `asideDir` under its own name, or that name with a number; durable on return. Undefined when
 * it is not there.
 */
export function moveAside(path: string, asideDir: string): string | undefined {
  if (!existsSync(path)) return undefined;
  mkdirSync(asideDir, { recursive: true });
  for (let n = 0; ; n++) {
    const to = join(asideDir, n === 0 ? basename(path) : `${basename(path)}.${n}`);
    if (existsSync(to)) continue;
    moveDurably(path, to);
    return to;
  }
}
