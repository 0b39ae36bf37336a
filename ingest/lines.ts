/**
 * A file as numbered lines of text: plain or gzip (told by its first bytes, not its name), or stdin. Bounded: one chunk and
 * one line in memory. What is no text file is refused, naming the line; a gzip that ends early is an error after the lines
 * that came before it.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SwaError, messageOf, systemCode } from '../lib/errors.js';

/** Longest line in UTF-16 units; the rest of a longer one is dropped and the line is marked. */
export const maxLineLength = 65_536;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** True when the line was longer than `maxLineLength`. */
  readonly cut: boolean;
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
  const decoder = new TextDecoder('utf-8', { ignoreBOM: false });
  const splitter = new LineSplitter(path);
  try {
    for await (const chunk of await unzipped(source, progress)) {
      const lines = splitter.push(decoder.decode(chunk, { stream: true }));
      if (lines.length > 0) yield lines;
    }
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw readError(path, splitter.lineNumber, cause);
  }
  const rest = splitter.end();
  if (rest.length > 0) yield rest;
}

async function openSource(path: string, progress: ByteProgress): Promise<Readable> {
  if (path === '-') return process.stdin;
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new SwaError('import.failed', `'${path}' is no file`);
    progress.totalBytes = stats.size;
  } catch (cause) {
    if (cause instanceof SwaError) throw cause;
    throw new SwaError('import.failed', `cannot read '${path}' (${systemCode(cause) ?? 'error'})`, { cause });
  }
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

async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const zlib = createGunzip({ chunkSize: 256 * 1024 });
  const feed = (async () => {
    try {
      for await (const chunk of chunks) {
        if (!zlib.write(chunk)) await new Promise((resolve) => zlib.once('drain', resolve));
      }
      zlib.end();
    } catch (error) {
      zlib.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    }
  })();
  yield* zlib;
  await feed;
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

/** Cuts text into lines at LF, dropping a CR before it. */
class LineSplitter {
  readonly #path: string;
  #rest = '';
  #restIsCut = false;
  #number = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Number of the last complete line. */
  get lineNumber(): number {
    return this.#number;
  }

  push(text: string): Line[] {
    const lines: Line[] = [];
    const parts = text.split('\n');
    for (let i = 0; i < parts.length - 1; i++) {
      lines.push(this.#complete(this.#rest + (parts[i] ?? '')));
      this.#rest = '';
    }
    this.#rest += parts[parts.length - 1] ?? '';
    if (this.#rest.length > maxLineLength) {
      this.#rest = this.#rest.slice(0, maxLineLength + 1);
      this.#restIsCut = true;
    }
    return lines;
  }

  end(): Line[] {
    if (this.#rest === '') return [];
    return [this.#complete(this.#rest)];
  }

  #complete(text: string): Line {
    this.#number++;
    if (text.includes('\0')) {
      throw new SwaError(
        'import.failed',
        `'${this.#path}' line ${this.#number} holds NUL bytes: this is no text file`,
      );
    }
    const cut = this.#restIsCut || text.length > maxLineLength;
    this.#restIsCut = false;
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    return { number: this.#number, text: text.slice(0, Math.min(end, maxLineLength)), cut };
  }
}
