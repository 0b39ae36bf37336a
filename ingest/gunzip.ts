/**
 * Decompresses gzip as a stream of members (RFC 1952), and counts bytes after the last member instead of failing on them. zlib's own
 * gunzip fails there and drops the output of the same chunk. So this module reads headers and trailers, and zlib only inflates the
 * data between them.
 */
import { createInflateRaw, crc32, type InflateRaw } from 'node:zlib';

/** Maximum size of a member's header: the format itself does not limit file name and comment. */
const maxHeaderBytes = 64 * 1024;
const trailerBytes = 8;

/**
 * Yields the decompressed bytes of all members; the input must begin with one. Throws errors with zlib's codes: `Z_BUF_ERROR`
 * if a member ends early, `Z_DATA_ERROR` if it is damaged.
 * @param onGarbage called with the number of bytes after the last member, without leading zeros, which are padding
 */
export async function* gunzip(
  chunks: AsyncGenerator<Buffer>,
  onGarbage: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const input = new Input(chunks);
  let header = await readHeader(input);
  if (header === undefined) {
    const [, , method = 8, flags = 0] = await input.peek(10);
    throw method === 8 && flags <= maxFlags
      ? zlibError('Z_BUF_ERROR', 'unexpected end of file')
      : zlibError('Z_DATA_ERROR', 'incorrect header check');
  }
  for (; header !== undefined; header = await readHeader(input)) {
    input.take(header);
    yield* inflateMember(input);
  }
  const garbage = await input.countRest();
  if (garbage > 0) onGarbage(garbage);
}

/** Input that can be read ahead: `peek` returns bytes, `take` removes them. */
class Input {
  readonly #chunks: AsyncGenerator<Buffer>;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncGenerator<Buffer>) {
    this.#chunks = chunks;
  }

  /** Returns at least `count` bytes, or fewer at the end of the input, without removing them. */
  async peek(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#bytes = this.#bytes.length === 0 ? next.value : Buffer.concat([this.#bytes, next.value]);
    }
    return this.#bytes;
  }

  take(count: number): void {
    this.#bytes = this.#bytes.subarray(count);
  }

  /** Removes the rest of the input and returns its length in bytes without leading zeros. */
  async countRest(): Promise<number> {
    let count = 0;
    for (let bytes = await this.peek(1); bytes.length > 0; bytes = await this.peek(1)) {
      if (count === 0) while (bytes[0] === 0) bytes = bytes.subarray(1);
      count += bytes.length;
      this.take(this.#bytes.length);
    }
    return count;
  }
}

/** Largest valid flags byte: the bits above are reserved. */
const maxFlags = 31;
const [hasCrc, hasExtra, hasName, hasComment] = [2, 4, 8, 16];

/** Length in bytes of the header at the start of `input`; undefined if there is no valid header. */
async function readHeader(input: Input): Promise<number | undefined> {
  const fixed = await input.peek(10);
  if (fixed.length < 10 || fixed[0] !== 0x1f || fixed[1] !== 0x8b || fixed[2] !== 8) return undefined;
  const flags = fixed[3] ?? 0;
  if (flags > maxFlags) return undefined;
  let size = 10;
  if ((flags & hasExtra) !== 0) {
    const bytes = await input.peek(size + 2);
    if (bytes.length < size + 2) return undefined;
    size += 2 + bytes.readUInt16LE(size);
  }
  for (const flag of [hasName, hasComment]) {
    if ((flags & flag) === 0) continue;
    let end = -1;
    for (let want = size + 1; end < 0; want = Math.min(maxHeaderBytes, 2 * want)) {
      const bytes = await input.peek(want);
      end = bytes.indexOf(0, size);
      if (end < 0 && (bytes.length < want || want >= maxHeaderBytes)) return undefined;
    }
    size = end + 1;
  }
  if ((flags & hasCrc) !== 0) size += 2;
  return (await input.peek(size)).length < size ? undefined : size;
}

/** Yields the data of the member whose header was just read, and removes data and trailer from `input`. */
async function* inflateMember(input: Input): AsyncGenerator<Buffer> {
  const zlib = createInflateRaw({ chunkSize: 256 * 1024 });
  let checksum = 0;
  let sizeBytes = 0;
  const feeding = feed(zlib, input);
  feeding.catch(() => undefined); // awaited below
  try {
    for await (const chunk of zlib as AsyncIterable<Buffer>) {
      checksum = crc32(chunk, checksum);
      sizeBytes = (sizeBytes + chunk.length) % 2 ** 32;
      yield chunk;
    }
    await feeding;
  } finally {
    zlib.destroy();
  }
  const trailer = await input.peek(trailerBytes);
  if (trailer.length < trailerBytes) throw zlibError('Z_BUF_ERROR', 'unexpected end of file');
  if (trailer.readUInt32LE(0) !== checksum || trailer.readUInt32LE(4) !== sizeBytes)
    throw zlibError('Z_DATA_ERROR', 'incorrect data check');
  input.take(trailerBytes);
}

/** Writes chunks into zlib until its data has ended, and leaves what follows in `input`. */
async function feed(zlib: InflateRaw, input: Input): Promise<void> {
  let isOver = false;
  let wake: (() => void) | undefined;
  for (const event of ['end', 'close'])
    zlib.once(event, () => {
      isOver = true;
      wake?.();
    });
  for (;;) {
    const bytes = await input.peek(1);
    if (isOver) return;
    if (bytes.length === 0) {
      zlib.end(); // an error unless the data has ended
      return;
    }
    const before = zlib.bytesWritten;
    // When the data ends within the chunk, zlib ends and does not call back.
    await new Promise<void>((resolve) => {
      wake = resolve;
      zlib.write(bytes, () => resolve());
    });
    input.take(zlib.bytesWritten - before);
  }
}

function zlibError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
