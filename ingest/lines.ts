/**
 * Reads numbered lines of text from a plain or gzip file (detected by its first bytes, not its name), or from stdin. Memory is
 * bounded to one chunk and one line. A gzip file that ends early is an error after the lines before its end.
 *
 * NUL bytes are not part of lines. If a log is truncated and its writer continues at its old position (logrotate's
 * `copytruncate`), it has a run of NUL bytes in place of the earlier lines. They are skipped and counted. Text before a run on the
 * same line was cut off and is refused; text after it is a line of its own.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { constants, createReadStream } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';
import { asBuffer } from '../lib/memory/as-buffer.js';
import { isGzip, refuseOtherKinds } from './file-kinds.js';
import { gunzip } from './gunzip.js';

/** Maximum length of a line in UTF-16 units; the rest is dropped. */
const maxLineLength = 65_536;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** Why the line cannot be read; its text is then only shown to people. */
  readonly refusal:
    | 'the line is longer than 65,536 characters'
    | 'the line is not UTF-8'
    | 'the line is cut off by NUL bytes'
    | 'the row cannot be read'
    | undefined;
  /** False for text after the last line end of a file, which may be the beginning of a line that is being written. */
  readonly ended: boolean;
}

export interface ByteProgress {
  /** Bytes read from the file so far (compressed ones of a gzip). */
  readBytes: number;
  /** Size of the file; undefined for stdin. */
  totalBytes: number | undefined;
  /** NUL bytes skipped so far, in the decompressed text if the file is gzip. */
  nulBytes: number;
  /** Bytes after the last member of a gzip that are neither gzip nor padding; known at the end of the file. */
  garbageBytes: number;
}

export function newByteProgress(): ByteProgress {
  return { readBytes: 0, totalBytes: undefined, nulBytes: 0, garbageBytes: 0 };
}

/** Consecutive lines of a file. */
export type LineBlock =
  /** Complete lines, not decoded yet, so that another thread can do it; without the last line end and NUL bytes. */
  | { readonly kind: 'bytes'; readonly firstNumber: number; readonly bytes: Uint8Array }
  | { readonly kind: 'lines'; readonly lines: readonly Line[] };

/** Reads lines in blocks, about one per chunk, because a generator step per line would cost more than the line itself. */
export async function* readLines(path: string, progress: ByteProgress): AsyncGenerator<LineBlock> {
  const source = await openSource(path, progress);
  const splitter = new LineSplitter();
  try {
    for await (const chunk of await unzipped(source, progress)) {
      const blocks = splitter.push(chunk);
      progress.nulBytes = splitter.nulBytes;
      yield* blocks;
    }
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw readError(path, splitter.lineNumber, cause);
  } finally {
    source.destroy();
  }
  yield* splitter.end();
}

/** Size of a file in bytes. Throws `import.failed` if it is not a regular file or cannot be read. */
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

/** The chunks of a source, decompressed if the first bytes are gzip's. Throws `import.failed` for other kinds of files. */
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
 * Splits bytes into lines at LF, and drops a CR before it and a byte order mark before the first line. It splits bytes, not text,
 * because in decoded text invalid UTF-8 looks the same as a U+FFFD in the file.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #number = 0;
  #nulBytes = 0;
  /** Whether the current line was cut off by NUL bytes and has been reported. */
  #wasCut = false;

  /** Number of the last complete line. */
  get lineNumber(): number {
    return this.#number;
  }

  get nulBytes(): number {
    return this.#nulBytes;
  }

  push(chunk: Buffer): LineBlock[] {
    let nul = chunk.indexOf(0);
    if (nul < 0) return this.#push(chunk);
    const blocks: LineBlock[] = [];
    let from = 0;
    while (nul >= 0) {
      blocks.push(...this.#push(chunk.subarray(from, nul)), ...this.#cut());
      from = nul;
      while (chunk[from] === 0) from++;
      this.#nulBytes += from - nul;
      nul = chunk.indexOf(0, from);
    }
    blocks.push(...this.#push(chunk.subarray(from)));
    return blocks;
  }

  end(): LineBlock[] {
    if (this.#rest.length === 0) return [];
    const lines = decodeLines(this.#rest, this.#number + 1).map((line) => ({ ...line, ended: false }));
    this.#number++;
    return [{ kind: 'lines', lines }];
  }

  #push(chunk: Buffer): LineBlock[] {
    if (chunk.length === 0) return [];
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(newline);
    // Three bytes are at least one UTF-16 unit, so the part kept of a line that is too long is still too long.
    this.#rest = bytes.subarray(end + 1, end + 2 + 3 * maxLineLength);
    if (end < 0) return [];
    this.#wasCut = false;
    const whole = bytes.subarray(0, end);
    const firstNumber = this.#number + 1;
    this.#number += 1 + countLineEnds(whole);
    return [{ kind: 'bytes', firstNumber, bytes: whole }];
  }

  /** Ends the current line at NUL bytes; reports it once, even if it has several runs of them. */
  #cut(): LineBlock[] {
    if (this.#rest.length === 0) return [];
    const text = this.#rest.toString('utf8').slice(0, maxLineLength);
    this.#rest = Buffer.alloc(0);
    if (this.#wasCut) return [];
    this.#wasCut = true;
    const refusal = 'the line is cut off by NUL bytes';
    return [{ kind: 'lines', lines: [{ number: this.#number + 1, text, refusal, ended: true }] }];
  }
}

function countLineEnds(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) count++;
  return count;
}

/** The lines of a block, decoded. */
export function linesOf(block: LineBlock): readonly Line[] {
  return block.kind === 'lines' ? block.lines : decodeLines(block.bytes, block.firstNumber);
}

/** Splits a block after `count` lines: the first part, its number of lines, and the rest if there is one. */
export function cutLines(
  block: LineBlock,
  count: number,
): { readonly first: LineBlock; readonly firstLines: number; readonly rest: LineBlock | undefined } {
  if (block.kind === 'lines') {
    const first = block.lines.slice(0, count);
    const rest = block.lines.slice(count);
    return {
      first: { kind: 'lines', lines: first },
      firstLines: first.length,
      rest: rest.length === 0 ? undefined : { kind: 'lines', lines: rest },
    };
  }
  const { bytes, firstNumber } = block;
  let firstLines = 0;
  let end = -1;
  while (firstLines < count) {
    const next = bytes.indexOf(newline, end + 1);
    firstLines++;
    if (next < 0) return { first: block, firstLines, rest: undefined };
    end = next;
  }
  return {
    first: { kind: 'bytes', firstNumber, bytes: bytes.subarray(0, end) },
    firstLines,
    rest: { kind: 'bytes', firstNumber: firstNumber + firstLines, bytes: bytes.subarray(end + 1) },
  };
}

function decodeLines(given: Uint8Array, firstNumber: number): Line[] {
  const bytes = asBuffer(given);
  // Nearly all logs are ASCII, which is much faster to decode.
  const texts = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8').split('\n');
  if (isUtf8(bytes)) return texts.map((text, i) => lineOf(text, firstNumber + i, true));
  let from = 0;
  return texts.map((text, i) => {
    const next = bytes.indexOf(newline, from);
    const own = bytes.subarray(from, next < 0 ? bytes.length : next);
    from = next + 1;
    return lineOf(text, firstNumber + i, isUtf8(own));
  });
}

function lineOf(decoded: string, number: number, valid: boolean): Line {
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
