/**
 * A file as numbered lines of text: plain or gzip (told by its first bytes, not its name), or stdin. Bounded: one chunk and
 * one line in memory. What is no text file is refused, naming the line; a gzip that ends early is an error after the lines
 * that came before it.
 */
import { isUtf8 } from 'node:buffer';
import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { SwaError, messageOf, systemCode } from '../lib/errors.js';

/** Longest line in UTF-16 units; the rest of a longer one is dropped. */
export const maxLineLength = 65_536;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** Why the line cannot be read; its text is then only for people to see. */
  readonly refusal: 'the line is longer than 65,536 characters' | 'the line is not UTF-8' | undefined;
}

export interface ByteProgress {
  /** Bytes read from the file so far (compressed ones of a gzip). */
  readBytes: number;
  /** Size of the file; undefined for stdin. */
  totalBytes: number | undefined;
}

/** Lines in arrays, one array a chunk: a generator step per line would cost more than the line. */
export async function* readLines(path: string, progress: ByteProgress): AsyncGenerator<readonly Line[]> {
  const source = await openSource(path, progress);
  const splitter = new LineSplitter();
  try {
    for await (const chunk of await unzipped(source, progress)) {
      yield* textLines(path, splitter.push(chunk));
    }
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw readError(path, splitter.lineNumber, cause);
  } finally {
    source.destroy();
  }
  yield* textLines(path, splitter.end());
}

/** The lines before the first with a NUL byte, at which it throws: no text file has any. */
function* textLines(path: string, lines: readonly Line[]): Generator<readonly Line[]> {
  const end = lines.findIndex(({ text }) => text.includes('\0'));
  const before = end < 0 ? lines : lines.slice(0, end);
  if (before.length > 0) yield before;
  const binary = lines[end];
  if (binary === undefined) return;
  throw new SwaError(
    'import.failed',
    `'${path}' line ${binary.number} holds NUL bytes: this is no text file`,
    { hint: 'the lines before it are imported' },
  );
}

/** Size of a file in bytes. Throws `import.failed` naming what is none, or cannot be read. */
export async function checkFile(path: string): Promise<number> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new SwaError('import.failed', `'${path}' is no file`);
    await access(path, constants.R_OK);
    return stats.size;
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw new SwaError('import.failed', `cannot read '${path}' (${systemCode(cause) ?? 'error'})`, { cause });
  }
}

async function openSource(path: string, progress: ByteProgress): Promise<Readable> {
  if (path === '-') return process.stdin;
  progress.totalBytes = await checkFile(path);
  return createReadStream(path, { highWaterMark: 256 * 1024 });
}

/** Looks at the first two bytes and puts a gunzip behind the source when they are gzip's. */
async function unzipped(source: Readable, progress: ByteProgress): Promise<AsyncIterable<Buffer>> {
  const chunks = counted(source, progress);
  const first = await chunks.next();
  if (first.done === true) return emptyChunks();
  const all = chained(first.value, chunks);
  const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b;
  return isGzip ? gunzip(all) : all;
}

async function* emptyChunks(): AsyncGenerator<Buffer> {
  // an empty file has no chunks
}

async function* counted(source: Readable, progress: ByteProgress): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    progress.readBytes += bytes.length;
    yield bytes;
  }
}

async function* chained(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** What follows the last member is no part of the file when it begins with a zero: archives are padded with zeros. */
function gunzip(chunks: AsyncIterable<Buffer>): Readable {
  const zlib = createGunzip({ chunkSize: 256 * 1024 });
  // It ends early when zlib does, or when nobody reads on; a failure of the chunks comes out of zlib as well.
  pipeline(chunks, zlib).catch(() => undefined);
  return zlib;
}

function readError(path: string, line: number, cause: unknown): SwaError {
  const truncated = systemCode(cause) === 'Z_BUF_ERROR';
  const what = truncated
    ? 'the gzip file is truncated'
    : `cannot read on (${systemCode(cause) ?? messageOf(cause)})`;
  return new SwaError('import.failed', `'${path}': ${what} after line ${line}`, {
    cause,
    hint: 'the lines before it are imported; import the whole file when you have it: repeated lines count once',
  });
}

const newline = 0x0a;

/**
 * Cuts bytes into lines at LF, dropping a CR before it and a byte order mark before the first. Bytes and not text are cut:
 * once decoded, what is not UTF-8 cannot be told from a U+FFFD that somebody wrote.
 */
class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #number = 0;

  /** Number of the last complete line. */
  get lineNumber(): number {
    return this.#number;
  }

  push(chunk: Buffer): Line[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(newline);
    // Three bytes are at least one UTF-16 unit: what is kept of a line too long is still too long.
    this.#rest = bytes.subarray(end + 1, end + 2 + 3 * maxLineLength);
    return end < 0 ? [] : this.#complete(bytes.subarray(0, end));
  }

  end(): Line[] {
    return this.#rest.length === 0 ? [] : this.#complete(this.#rest);
  }

  #complete(bytes: Buffer): Line[] {
    const texts = bytes.toString('utf8').split('\n');
    if (isUtf8(bytes)) return texts.map((text) => this.#line(text, true));
    let from = 0;
    return texts.map((text) => {
      const next = bytes.indexOf(newline, from);
      const own = bytes.subarray(from, next < 0 ? bytes.length : next);
      from = next + 1;
      return this.#line(text, isUtf8(own));
    });
  }

  #line(decoded: string, valid: boolean): Line {
    const number = ++this.#number;
    const text = number === 1 && decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded;
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    const refusal =
      text.length > maxLineLength
        ? 'the line is longer than 65,536 characters'
        : valid
          ? undefined
          : 'the line is not UTF-8';
    return { number, text: text.slice(0, Math.min(end, maxLineLength)), refusal };
  }
}
