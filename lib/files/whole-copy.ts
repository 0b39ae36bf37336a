/**
 * Copies that are whole or say that they are not. A directory that is copied into carries a mark (`unfinished.json`) from before
 * the first file until the last one is durable and has been compared; no one uses a directory with the mark. So a copy that was
 * killed never looks whole, and the next one continues in its place: files that are as they should be stay, all others go.
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
  /** Relative to the directory, with `/`. */
  readonly name: string;
  /** An open file (the first `sizeBytes` of it), the path of one that does not change, or the content itself. */
  readonly from: { readonly fd: number; readonly sizeBytes: number } | { readonly path: string } | Uint8Array;
  /** What the copy must hash to, where that is known: lower-case hex. */
  readonly sha256?: string;
}

export interface CopiedFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

const temp = '.copying.tmp';
/** What a fresh file system or the copy itself may have put there. */
const ignored: readonly string[] = ['lost+found', 'locks'];

/** Every file of a copy is written through this; it is whole when `seal` has returned. */
export class WholeCopy {
  readonly #dir: string;
  readonly #lock: OwnerLock;
  readonly #names = new Set<string>();

  private constructor(dir: string, lock: OwnerLock) {
    this.#dir = dir;
    this.#lock = lock;
  }

  /**
   * Begins, or continues after one that was interrupted. Throws `data-dir.unusable` unless the directory is empty, not there or an
   * unfinished copy, and `data-dir.in-use` while another copies into it: then nothing has changed.
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

  /** Copies one file, durably, unless the same bytes are there already. Throws `backup.corrupt` when they are not what they must be. */
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
   * Removes what an interrupted copy has left and this one did not write, then the mark. The copy is whole from then on.
   * @param prove throws unless what is there now is as it should be: then the mark stays
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

  /** Ends without making it whole, unless it was sealed. */
  close(): void {
    this.#lock.release();
  }

  /** Whatever lies beside the mark is a copy of something. */
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

/** A view's folder without files would be taken for a damaged view. */
function removeEmptyFolders(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (!entry.isDirectory() || ignored.includes(entry.name)) continue;
    removeEmptyFolders(join(dir, entry.name));
    removeIfEmpty(join(dir, entry.name));
  }
}

const pieceBytes = 2 ** 20;

/** Writes the content to a file of its own, durably, and returns the SHA-256 of what was read. */
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
