/**
 * Copies a directory so that an incomplete copy is recognised. The target carries a mark (`unfinished.json`) from
 * before the first file until the last one is durable and has been compared, and no process uses a directory with the
 * mark. So an interrupted copy never looks complete, and the next one continues it: correct files stay, all others are
 * removed.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { SwaError, messageOf, systemCode } from '../errors/errors.js';
import { roomOf, unfinishedPath } from './data-dir.js';
import { digestFile } from './digest.js';
import { createFile, fsyncDir, makeDirDurable } from './durable.js';
import { OwnerLock } from './owner-lock.js';
import { moveDurably, removeIfEmpty, removeReplaced, removeScratch } from './removal.js';

export interface CopySource {
  /** Path relative to the directory, with `/`. */
  readonly name: string;
  /** The first `sizeBytes` of an open file, the path of a file that does not change, or the content itself. */
  readonly from: { readonly fd: number; readonly sizeBytes: number } | { readonly path: string } | Uint8Array;
  /** Expected SHA-256 of the copy in lower-case hex, if known. */
  readonly sha256?: string;
}

export interface CopiedFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

const temp = '.copying.tmp';
/** Entries that a new file system or the copy itself may have created. */
const ignored: readonly string[] = ['lost+found', 'locks'];

/** Writes all files of one copy, which is complete when `seal` has returned. */
export class WholeCopy {
  readonly #dir: string;
  readonly #lock: OwnerLock;
  readonly #names = new Set<string>();

  private constructor(dir: string, lock: OwnerLock) {
    this.#dir = dir;
    this.#lock = lock;
  }

  /**
   * Begins a copy, or continues an interrupted one. Throws `data-dir.unusable` unless the directory is empty, missing
   * or an unfinished copy, and `data-dir.in-use` while another process copies into it; then nothing has changed.
   */
  static begin(dir: string, what: string): WholeCopy {
    try {
      const isFresh = !existsSync(unfinishedPath(dir));
      const inside =
        isFresh && existsSync(dir) ? readdirSync(dir).filter((name) => name !== 'lost+found') : [];
      const isOnlyLocks = inside.every((name) => name === 'locks');
      if (!isOnlyLocks) {
        throw new SwaError(
          'data-dir.unusable',
          `'${dir}' is not empty: it holds ${inside.slice(0, 3).join(', ')}`,
          {
            hint: `${what} needs an empty or a new directory; nothing was changed`,
          },
        );
      }
      makeDirDurable(roomOf(dir, 'locks'));
      const lock = OwnerLock.acquire(join(roomOf(dir, 'locks'), 'copy.lock'), what);
      createFile(unfinishedPath(dir), JSON.stringify({ by: what }));
      return new WholeCopy(dir, lock);
    } catch (error) {
      throw cannotWrite(dir, error);
    }
  }

  /**
   * Copies one file durably, unless it is already there with the expected hash. Throws `backup.corrupt` if its bytes do
   * not match the hash.
   */
  async add(source: CopySource): Promise<CopiedFile> {
    const path = join(this.#dir, source.name);
    try {
      const there = source.sha256 === undefined || !existsSync(path) ? undefined : await digestFile(path);
      const copied =
        there?.sha256 === source.sha256 && there !== undefined ? there : await this.#write(path, source);
      const file = { name: source.name, ...copied };
      this.#names.add(source.name);
      return file;
    } catch (error) {
      throw cannotWrite(this.#dir, error);
    }
  }

  async #write(path: string, { name, from, sha256 }: CopySource): Promise<Omit<CopiedFile, 'name'>> {
    makeDirDurable(dirname(path));
    removeScratch(`${path}${temp}`);
    const read = await writeOut(from, `${path}${temp}`);
    const copied = await digestFile(`${path}${temp}`);
    const wanted = sha256 ?? read;
    if (read !== wanted || copied.sha256 !== wanted) {
      throw new SwaError('backup.corrupt', `${name} has SHA-256 ${read}, but must have ${wanted}`, {
        hint: 'run `swa verify` on the source directory to see what is damaged',
      });
    }
    this.#remove([path]);
    moveDurably(`${path}${temp}`, path);
    return copied;
  }

  /**
   * Removes files left by an interrupted copy, then the mark. From then on the copy is complete.
   * @param prove throws unless the copy is correct; then the mark stays
   */
  seal(prove: () => void = () => undefined): void {
    const left = filesIn(this.#dir).filter(
      (path) => path !== unfinishedPath(this.#dir) && !this.#names.has(relative(this.#dir, path)),
    );
    this.#remove(left);
    removeEmptyFolders(this.#dir);
    prove();
    removeScratch(unfinishedPath(this.#dir));
    fsyncDir(this.#dir);
  }

  /** Releases the lock. The copy stays unfinished unless it was sealed. */
  close(): void {
    this.#lock.release();
  }

  /** Removes files of an unfinished copy, which are copies of files elsewhere. */
  #remove(paths: readonly string[]): void {
    removeReplaced(
      paths.filter((path) => existsSync(path)),
      () => void statSync(unfinishedPath(this.#dir)),
    );
  }
}

function filesIn(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (ignored.includes(entry.name)) return [];
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

/** Removes empty folders: an empty folder of a view would be taken for a damaged view. */
function removeEmptyFolders(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (!entry.isDirectory() || ignored.includes(entry.name)) continue;
    removeEmptyFolders(join(dir, entry.name));
    removeIfEmpty(join(dir, entry.name));
  }
}

const pieceBytes = 2 ** 20;

/** Writes the content to a new file durably and returns the SHA-256 of what was read. */
async function writeOut(from: CopySource['from'], to: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(to, 'wx');
  try {
    for (const piece of piecesOf(from)) {
      hash.update(piece);
      for (let done = 0; done < piece.length;)
        done += (await file.write(piece, done, piece.length - done)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

function* piecesOf(from: CopySource['from']): Generator<Uint8Array> {
  if (from instanceof Uint8Array) {
    yield from;
    return;
  }
  const fd = 'fd' in from ? from.fd : openSync(from.path, 'r');
  try {
    const sizeBytes = 'fd' in from ? from.sizeBytes : fstatSync(fd).size;
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let at = 0; at < sizeBytes;) {
      const read = readSync(fd, piece, 0, Math.min(pieceBytes, sizeBytes - at), at);
      if (read === 0)
        throw new SwaError('backup.corrupt', `a file to be copied ends at byte ${at} of ${sizeBytes}`);
      yield piece.subarray(0, read);
      at += read;
    }
  } finally {
    if (!('fd' in from)) closeSync(fd);
  }
}

function cannotWrite(dir: string, cause: unknown): unknown {
  if (cause instanceof SwaError || systemCode(cause) === undefined) return cause;
  return new SwaError('data-dir.unusable', `cannot copy into '${dir}': ${messageOf(cause)}`, {
    cause,
    hint: 'free disk space or grant write access there, then run the command again: it continues where it stopped',
  });
}
