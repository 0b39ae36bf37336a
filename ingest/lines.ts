/**
 * A file as numbered lines of text: plain or gzip (told by its first bytes, not its name), or stdin. Bounded: one chunk and
 * one line in memory. A gzip that ends early is an error after the lines that came before it.
 *
 * NUL bytes belong to no line. A log that is truncated while its writer continues at its old position (logrotate's
 * `copytruncate`) holds a run of them where the lines before were. They are passed over and counted; what stands before a run
 * on the same line was cut off by it and is refused, what follows is a line of its own.
 */
import { isUtf8 } from 'node:buffer';
import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';
import { isGzip, refuseOtherKinds } from './file-kinds.js';
import { gunzip } from './gunzip.js';

/** Longest line in UTF-16 units; the rest of a longer one is dropped. */
const maxLineLength = 65_536;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** Why the line cannot be read; its text is then only for people to see. */
  readonly refusal:
    | 'the line is longer than 65,536 characters'
    | 'the line is not UTF-8'
    | 'the line is cut off by NUL bytes'
    | 'the row cannot be read'
    | undefined;
  /** False for what follows the last line end of a file: perhaps the begin of a line that is being written. */
  readonly ended: boolean;
}

export interface ByteProgress {
  /** Bytes read from the file so far (compressed ones of a gzip). */
  readBytes: number;
  /** Size of the file; undefined for stdin. */
  totalBytes: number | undefined;
  /** NUL bytes passed over so far (of a gzip: in what it holds). */
  nulBytes: number;
  /** Bytes after the last member of a gzip that are neither gzip nor padding; known at the end of the file. */
  garbageBytes: number;
}

export function newByteProgress(): ByteProgress {
  return { readBytes: 0, totalBytes: undefined, nulBytes: 0, garbageBytes: 0 };
}

/** Lines in arrays, one array a chunk: a generator step per line would cost more than the line. */
export async function* readLines(path: string, progress: ByteProgress): AsyncGenerator<readonly Line[]> {
  const source = await openSource(path, progress);
  const splitter = new LineSplitter();
  try {
    for await (const chunk of await unzipped(source, progress)) {
      const lines = splitter.push(chunk);
      progress.nulBytes = splitter.nulBytes;
      if (lines.length > 0) yield lines;
    }
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw readError(path, splitter.lineNumber, cause);
  } finally {
    source.destroy();
  }
  const rest = splitter.end();
  if (rest.length > 0) yield rest;
}

/** Size of a file in bytes. Throws `import.failed` naming what is none, or cannot be read. */
export async function checkFile(path: string): Promise<number> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new SwaError('import.failed', `'${path}' is not a regular file`);
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
  refuseOtherKinds(first.value);
  const all = chained(first.value, chunks);
  return isGzip(first.value) ? gunzip(all, (bytes) => (progress.garbageBytes = bytes)) : all;
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

function readError(path: string, line: number, cause: unknown): SwaError {
  const truncated = systemCode(cause) === 'Z_BUF_ERROR';
  const what = truncated
    ? 'the gzip file is truncated'
    : `reading failed (${systemCode(cause) ?? messageOf(cause)})`;
  return new SwaError('import.failed', `'${path}': ${what} after line ${line}`, {
    cause,
    hint: 'the lines before it were imported; import the complete file once you have it: lines imported twice count once',
  });
}

const newline = 0x0a;

/**
 * Cuts bytes into lines at LF, dropping a CR before it and a byte order mark before the first. Bytes and not text are cut:
 * once decoded, what is not UTF-8 cannot be told from a U+FFFD that someone wrote.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #number = 0;
  #nulBytes = 0;
  /** The line that is being gathered has lost its begin to NUL bytes, and that was said. */
  #wasCut = false;

  /** Number of the last complete line. */
  get lineNumber(): number {
    return this.#number;
  }

  get nulBytes(): number {
    return this.#nulBytes;
  }

  push(chunk: Buffer): Line[] {
    let nul = chunk.indexOf(0);
    if (nul < 0) return this.#push(chunk);
    const lines: Line[] = [];
    let from = 0;
    while (nul >= 0) {
      lines.push(...this.#push(chunk.subarray(from, nul)), ...this.#cut());
      from = nul;
      while (chunk[from] === 0) from++;
      this.#nulBytes += from - nul;
      nul = chunk.indexOf(0, from);
    }
    lines.push(...this.#push(chunk.subarray(from)));
    return lines;
  }

  end(): Line[] {
    return this.#rest.length === 0
      ? []
      : this.#complete(this.#rest).map((line) => ({ ...line, ended: false }));
  }

  #push(chunk: Buffer): Line[] {
    if (chunk.length === 0) return [];
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(newline);
    // Three bytes are at least one UTF-16 unit: what is kept of a line too long is still too long.
    this.#rest = bytes.subarray(end + 1, end + 2 + 3 * maxLineLength);
    if (end < 0) return [];
    this.#wasCut = false;
    return this.#complete(bytes.subarray(0, end));
  }

  /** What was gathered of the line ends here; said once a line, however many runs of NUL bytes it holds. */
  #cut(): Line[] {
    if (this.#rest.length === 0) return [];
    const text = this.#rest.toString('utf8').slice(0, maxLineLength);
    this.#rest = Buffer.alloc(0);
    if (this.#wasCut) return [];
    this.#wasCut = true;
    return [{ number: this.#number + 1, text, refusal: 'the line is cut off by NUL bytes', ended: true }];
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
    return { number, text: text.slice(0, Math.min(end, maxLineLength)), refusal, ended: true };
  }
}
