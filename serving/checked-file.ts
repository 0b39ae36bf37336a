/**
 * Files that are written once and read at random, with checksums so that no byte is used unchecked:
 *
 *   file    data | u32 CRC-32 of every 8 KiB of the data, little-endian
 *
 * META holds the SHA-256 of the checksums. Opening a file checks them and the file's size, which reads a thousandth of the file. Each piece of
 * data is checked on its first read after the file is opened. In 8 KiB, CRC-32 detects every change of up to three bits and every burst of up to
 * 32 bits (Koopman, "32-Bit Cyclic Redundancy Codes for Internet Applications", DSN 2002), and all but one in 2^32 of other changes.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { readInto } from '../lib/files/read-at.js';
import { SwaError, messageOf, systemCode } from '../lib/errors/errors.js';
import { fsyncLargeFile, writeFully } from '../lib/files/durable.js';
import { ByteWriter } from './arrays/bytes.js';

/** META's entry for one file of a view. */
export interface FileSeal {
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256 of the whole file, lower-case hex. */
  readonly sha256: string;
  /** SHA-256 of the checksums at the file's end; undefined in views of formats before 6, which have none. */
  readonly checksums?: string | undefined;
}

const pieceBytes = 8 * 1024;
const checksumBytes = 4;

const bufferBytes = 4 * 1024 * 1024;
/** Shorter writes are buffered. */
const copiedBytes = 256 * 1024;

const damagedFile = 'damagedFile';

/** Hint of every error about a damaged view. */
export const damageHint = 'roll back with `swa batch rollback`, or run a batch with `swa batch run`';

/** Writes a checked file front to back; durable after `close`. */
export class CheckedWriter {
  readonly #path: string;
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  readonly #buffer = new Uint8Array(bufferBytes);
  #buffered = 0;
  #written = 0;
  readonly #checksums = new ByteWriter();
  readonly #checksum = new Uint32Array(1);
  /** Bytes written of the last piece. */
  #inPiece = 0;
  #open = true;

  /** `path` must not exist. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'wx');
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#written + this.#buffered;
  }

  write(bytes: Uint8Array): void {
    const isLong = bytes.length >= copiedBytes;
    if (isLong || this.#buffered + bytes.length > this.#buffer.length) this.#flush();
    if (isLong) {
      this.#writeData(bytes);
    } else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  /** Ends the file and makes it durable. */
  async close(): Promise<FileSeal> {
    this.#flush();
    if (this.#inPiece > 0) this.#endPiece();
    const checksums = this.#checksums.view();
    this.#writeOut(checksums);
    this.abandon();
    await fsyncLargeFile(this.#path);
    return {
      name: basename(this.#path),
      sizeBytes: this.#written,
      sha256: this.#hash.digest('hex'),
      checksums: sha256Of(checksums),
    };
  }

  /** Closes the file, whether it is finished or not. */
  abandon(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  #flush(): void {
    this.#writeData(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #writeData(bytes: Uint8Array): void {
    const sum = this.#checksum;
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + pieceBytes - this.#inPiece);
      sum[0] = crc32(bytes.subarray(from, to), sum[0]);
      this.#inPiece += to - from;
      if (this.#inPiece === pieceBytes) this.#endPiece();
      from = to;
    }
    this.#writeOut(bytes);
  }

  #endPiece(): void {
    this.#checksums.u32s(this.#checksum, 0, 1);
    this.#checksum[0] = 0;
    this.#inPiece = 0;
  }

  #writeOut(bytes: Uint8Array): void {
    writeFully(this.#fd, bytes, this.#written);
    this.#hash.update(bytes);
    this.#written += bytes.length;
  }
}

/** A file that is read at random. */
export interface RandomFile {
  /** Fills `into` with the data from `offset` on. Throws `view.corrupt` if that data is damaged. */
  read(into: Uint8Array, offset: number): void;
  close(): void;
}

/** Reads a checked file. Stays readable after its name is removed. */
export class CheckedFile implements RandomFile {
  /** Length of the data, without checksums. */
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #checksums: Buffer;
  /** 1 for each piece that has passed its check. */
  readonly #sound: Uint8Array;
  readonly #piece = new Uint8Array(pieceBytes);

  /** Throws `view.corrupt` if the file is missing, or its size or checksums differ from the seal. */
  constructor(path: string, seal: FileSeal) {
    this.#path = path;
    this.#fd = openForReading(path);
    try {
      const { size } = fstatSync(this.#fd);
      if (size !== seal.sizeBytes)
        throw damaged(path, `it has ${size} bytes, but was written with ${seal.sizeBytes}`);
      const pieces = Math.ceil(size / (pieceBytes + checksumBytes));
      this.sizeBytes = size - pieces * checksumBytes;
      this.#checksums = Buffer.alloc(pieces * checksumBytes);
      this.#sound = new Uint8Array(pieces);
      this.#pread(this.#checksums, this.sizeBytes);
      if (sha256Of(this.#checksums) !== seal.checksums)
        throw damaged(path, 'the checksums at its end have been altered');
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  read(into: Uint8Array, offset: number): void {
    const end = offset + into.length;
    if (!(offset >= 0 && end <= this.sizeBytes))
      throw damaged(this.#path, `bytes ${offset} to ${end} are beyond its size of ${this.sizeBytes}`);
    for (let piece = Math.floor(offset / pieceBytes); piece * pieceBytes < end; piece++)
      if (this.#sound[piece] === 0) this.#check(piece);
    this.#pread(into, offset);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #check(piece: number): void {
    const from = piece * pieceBytes;
    const to = Math.min(from + pieceBytes, this.sizeBytes);
    const bytes = this.#piece.subarray(0, to - from);
    this.#pread(bytes, from);
    if (crc32(bytes) !== this.#checksums.readUInt32LE(piece * checksumBytes))
      throw damaged(this.#path, `bytes ${from} to ${to} do not match their checksum`);
    this.#sound[piece] = 1;
  }

  #pread(into: Uint8Array, offset: number): void {
    let done: number;
    try {
      done = readInto(this.#fd, offset, into);
    } catch (cause) {
      if (systemCode(cause) !== 'EIO') throw cause;
      throw damaged(this.#path, messageOf(cause), cause);
    }
    if (done < into.length) throw damaged(this.#path, `it ends ${into.length - done} bytes early`);
  }
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT' && systemCode(cause) !== 'EIO') throw cause;
    throw damaged(path, messageOf(cause), cause);
  }
}

function damaged(path: string, what: string, cause?: unknown): SwaError {
  return new SwaError('view.corrupt', `${path} is damaged: ${what}`, {
    cause,
    hint: damageHint,
    context: { [damagedFile]: path },
  });
}

/** Whether an error reports a damaged file of a batch view. */
export function isDamagedFile(error: unknown): error is SwaError {
  return error instanceof SwaError && damagedFile in error.context;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
