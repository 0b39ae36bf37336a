/**
 * Reads request bodies as text. A body is received completely before its request counts as being handled, so a slow
 * body blocks no other request. Its minimum speed, and the total memory of unfinished bodies, are limited. A body that
 * is not UTF-8 is rejected, because decoding would turn different bytes into the same U+FFFD.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import {
  brotliDecompress,
  gunzip,
  inflate,
  type BrotliOptions,
  type Zlib,
  type ZlibOptions,
} from 'node:zlib';
import { systemCode } from '../errors/errors.js';
import { nestingProblem } from './nesting.js';
import { HttpProblem } from './problem.js';

/** The bodies that a route accepts. */
export interface BodyRules {
  /** Schemas by media type. A body without a type is treated as the first. */
  readonly content: Readonly<Record<string, unknown>>;
  /** Maximum size of the body, both as sent and decompressed. */
  readonly limitBytes: number;
}

/** Time limit of a body: this long, plus a second for each `floorBytesPerSecond` bytes received. */
const graceMs = 5_000;
const floorBytesPerSecond = 4_096;
const lookEveryMs = 500;
/** Memory limit of all unfinished bodies together; above it the oldest one is rejected. */
const pendingLimitBytes = 64 * 1024 * 1024;

interface PendingBody {
  readonly since: number;
  readonly chunks: Buffer[];
  sizeBytes: number;
  readonly giveUp: (problem: HttpProblem) => void;
}

/** The unfinished bodies of one endpoint. */
export class PendingBodies {
  /** Oldest first. */
  readonly #pending = new Set<PendingBody>();
  #sizeBytes = 0;
  #look: NodeJS.Timeout | undefined;

  /**
   * Reads a body of at most `limitBytes`. Throws `body-too-large`, `request-timeout` if it arrives too slowly,
   * `overloaded` if all unfinished bodies together need too much memory, `bad-request` if the client disconnects. The
   * rest of a rejected body is discarded.
   */
  async read(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
    if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);
    let body: PendingBody | undefined;
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const pending: PendingBody = { since: performance.now(), chunks: [], sizeBytes: 0, giveUp: reject };
        body = pending;
        this.#add(pending);
        request.on('data', (chunk: Buffer) => {
          pending.chunks.push(chunk);
          pending.sizeBytes += chunk.length;
          this.#sizeBytes += chunk.length;
          if (pending.sizeBytes > limitBytes) reject(tooLarge(limitBytes));
          else if (this.#sizeBytes > pendingLimitBytes) this.#oldest?.giveUp(noRoom());
        });
        request.once('end', () => resolve(Buffer.concat(pending.chunks)));
        request.once('close', () => reject(new HttpProblem('bad-request', 'the body ended early')));
      });
    } finally {
      if (body !== undefined) this.#remove(body);
      request.removeAllListeners('data');
      request.resume();
    }
  }

  get #oldest(): PendingBody | undefined {
    return this.#pending.values().next().value;
  }

  #add(body: PendingBody): void {
    this.#pending.add(body);
    this.#look ??= setInterval(() => this.#giveUpSlow(), lookEveryMs).unref();
  }

  #remove(body: PendingBody): void {
    if (!this.#pending.delete(body)) return;
    this.#sizeBytes -= body.sizeBytes;
    if (this.#pending.size > 0) return;
    clearInterval(this.#look);
    this.#look = undefined;
  }

  #giveUpSlow(): void {
    const now = performance.now();
    for (const { since, sizeBytes, giveUp } of this.#pending) {
      if (now - since > graceMs + (sizeBytes / floorBytesPerSecond) * 1_000) giveUp(tooSlow());
    }
  }
}

/** Returns true if the request has no body. */
export function hasNoBody({ headers }: IncomingMessage): boolean {
  const { 'transfer-encoding': chunked, 'content-length': length = '0' } = headers;
  return chunked === undefined && Number(length) === 0;
}

/** Returns the declared media type of a body, in lower case and without parameters; undefined if there is none. */
export function mediaTypeOf({ headers }: IncomingMessage): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase();
}

/** Throws `unsupported-media-type` for a type, charset or encoding that the route does not accept. */
export function checkBodyType(request: IncomingMessage, { content }: BodyRules): void {
  const given = request.headers['content-type'];
  const type = mediaTypeOf(request);
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(given ?? '')?.[1] ?? 'utf-8';
  if ((type !== undefined && !Object.hasOwn(content, type)) || !/^utf-?8$/i.test(charset)) {
    throw new HttpProblem(
      'unsupported-media-type',
      `send one of ${Object.keys(content).join(', ')}, in UTF-8; got ${(given ?? '').slice(0, 100)}`,
      { parameter: 'Content-Type' },
    );
  }
  const encoding = encodingOf(request);
  if (encoding === 'identity' || Object.hasOwn(unpackers, encoding)) return;
  throw new HttpProblem(
    'unsupported-media-type',
    `send the body uncompressed, or in one of ${Object.keys(unpackers).join(', ')}; got ${encoding.slice(0, 100)}`,
    { parameter: 'Content-Encoding' },
  );
}

/**
 * Decompresses a body and decodes it, without a leading byte order mark. Throws `body-too-large` as soon as the
 * decompressed size exceeds the limit, and `invalid-body`.
 */
export async function decodeBody(
  request: IncomingMessage,
  bytes: Buffer,
  { limitBytes }: BodyRules,
): Promise<string> {
  const unpack = unpackers[encodingOf(request)];
  const body = unpack === undefined ? bytes : await unpacked(unpack, bytes, limitBytes);
  if (!isUtf8(body)) throw invalid('the body is not UTF-8');
  const text = body.toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

type Unpack = (
  bytes: Buffer,
  options: ZlibOptions & BrotliOptions,
  done: (error: Error | null, result: unknown) => void,
) => void;
const unpackers: Readonly<Record<string, Unpack>> = {
  gzip: gunzip,
  deflate: inflate,
  br: brotliDecompress,
};

function encodingOf({ headers }: IncomingMessage): string {
  return (headers['content-encoding'] ?? '').trim().toLowerCase() || 'identity';
}

async function unpacked(unpack: Unpack, bytes: Buffer, limitBytes: number): Promise<Buffer> {
  const { buffer, engine } = await new Promise<{ readonly buffer: Buffer; readonly engine: Zlib }>(
    (resolve, reject) => {
      unpack(bytes, { maxOutputLength: limitBytes, info: true }, (error, result) => {
        if (error === null) resolve(result as { buffer: Buffer; engine: Zlib });
        else reject(systemCode(error) === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(limitBytes) : notPacked());
      });
    },
  );
  if (engine.bytesWritten !== bytes.length)
    throw invalid('the body has extra bytes after its compressed content');
  return buffer;
}

/** Parses a body, or a part of one, as JSON. Throws `invalid-body`. */
export function parseJsonBody(text: string): unknown {
  const problem = nestingProblem(text);
  if (problem !== undefined) throw invalid(problem);
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('not JSON');
  }
}

function invalid(detail: string): HttpProblem {
  return new HttpProblem('invalid-body', detail, { parameter: 'body' });
}

function notPacked(): HttpProblem {
  return invalid('cannot decompress the body with its Content-Encoding');
}

function tooLarge(limitBytes: number): HttpProblem {
  return new HttpProblem('body-too-large', `the body is larger than ${limitBytes} bytes`, {
    parameter: 'body',
  });
}

function tooSlow(): HttpProblem {
  return new HttpProblem(
    'request-timeout',
    `the body arrives too slowly: after ${graceMs / 1_000} s it must average at least ${floorBytesPerSecond} bytes/s`,
    { headers: { Connection: 'close' } },
  );
}

function noRoom(): HttpProblem {
  return new HttpProblem('overloaded', 'too many request bodies are being received; try again', {
    headers: { Connection: 'close', 'Retry-After': '1' },
  });
}
