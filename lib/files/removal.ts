/**
 * The only module that removes, renames or truncates files, so that nothing is lost by mistake (ARCHITECTURE, I10).
 *
 * It distinguishes two kinds of files. Facts and views (segments and format of the log, data files, manifests and root
 * of the master dataset, batch views and CURRENT) cannot be recreated, or not soon. They are removed only by
 * `removeReplaced`, which makes the caller prove first that their replacement is complete and durable, or kept by
 * `moveAside`. Everything else is scratch (temporary files, notes, locks, realtime stores) and removed by
 * `removeScratch`, which rejects names of facts and views.
 *
 * lib/test/removal.test.ts checks that no other module calls `rm`, `unlink`, `rename` or `truncate`.
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

/** Names that scratch files and folders cannot have. */
const keptNames: readonly RegExp[] = [
  /^segment-\d+\.log$/,
  /^(format|root)\.json$/,
  /^\d{10,}\.json$/, // a manifest
  /\.parquet$/,
  /^CURRENT$/,
  /^v\d{6,}-[0-9a-f]{8}$/, // a batch view; generations of the speed layer have the same names, but are in speed/
  /^(log|master|serving|manifests|views|pageviews|equivs|p\d+)$/,
];

/** Returns true for the names of facts and views. */
export function isKept(path: string): boolean {
  const name = basename(path);
  if (basename(dirname(path)) === 'speed') return false;
  return keptNames.some((pattern) => pattern.test(name));
}

/**
 * Removes a scratch file, or a folder with its content, if it exists. Throws `internal.invariant` for the name of a
 * fact or view.
 */
export function removeScratch(path: string): void {
  if (isKept(path)) {
    throw new SwaError('internal.invariant', `${path} is not a temporary file: it was not removed`);
  }
  rmSync(path, { recursive: true, force: true });
}

/** Removes a folder if it is empty. Returns true if the folder no longer exists. */
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
 * Removes facts or views that have been replaced; durable on return.
 * @param prove throws unless the replacement of all `paths` is complete and durable; then nothing is removed
 */
export function removeReplaced(paths: readonly string[], prove: () => void): void {
  if (paths.length === 0) return;
  prove();
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  for (const dir of new Set(paths.map((path) => dirname(path)))) fsyncDir(dir);
}

/**
 * Replaces a file by its copy atomically; durable on return.
 * @param prove throws unless the copy is complete and durable; then nothing has changed
 */
export function replaceByCopy(copy: string, path: string, prove: () => void): void {
  prove();
  renameSync(copy, path);
  fsyncDir(dirname(path));
}

/**
 * Truncates an open file to `end`, which removes a write that was never acknowledged or read. Throws
 * `internal.invariant` if `end` is below `acknowledgedTo`.
 */
export function cutUnacknowledged(fd: number, end: number, acknowledgedTo: number): void {
  if (end < acknowledgedTo) {
    throw new SwaError(
      'internal.invariant',
      `refused to truncate a file to ${end} bytes: ${acknowledgedTo} bytes are acknowledged`,
    );
  }
  ftruncateSync(fd, end);
}

/** Renames within one file system; durable on return. `to` must not exist, or be an empty folder. */
export function moveDurably(from: string, to: string): void {
  if (existsSync(to) && !(statSync(to).isDirectory() && readdirSync(to).length === 0)) {
    throw Object.assign(new Error(`cannot move ${from}: ${to} already exists`), { code: 'EEXIST' });
  }
  renameSync(from, to);
  fsyncDir(dirname(to));
  if (dirname(from) !== dirname(to)) fsyncDir(dirname(from));
}

/**
 * Moves a file or folder into `asideDir`, with a number appended to its name if that is taken; durable on return.
 * Returns the new path; undefined if `path` does not exist.
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
