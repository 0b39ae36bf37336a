/**
 * Append-only files of the star. The star's head (head.ts) records the valid length of each and the CRC-32 of that
 * part: bytes that a killed run added beyond it are cut off by the next, and damage is detected as the file is read.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { readInto } from '../../lib/files/read-at.js';
import { systemCode } from '../../lib/errors/errors.js';
import { writeFully } from '../../lib/files/durable.js';
import { cutUnacknowledged } from '../../lib/files/removal.js';
import { grown } from '../../lib/memory/grown.js';
import type { TextSpans } from '../../lib/memory/keyed-hash.js';

/** The valid length of a file, and its CRC-32. */
export interface AppendSeal {
  readonly sizeBytes: number;
  readonly crc: number;
}

export const nothing: AppendSeal = { sizeBytes: 0, crc: 0 };

/** A file of the star is damaged. The star is then rebuilt without an error. */
export class StarDamaged extends Error {}

const bufferBytes = 1 << 20;
const chunkBytes = 1 << 20;

/** Appends to such a file. Additions are valid only once the seal returned by `commit` is stored in the head. */
export class AppendFile {
  readonly #path: string;
  readonly #buffer = new Uint8Array(bufferBytes);
  #buffered = 0;
  #seal: AppendSeal;
  #fd: number | undefined;

  constructor(path: string, seal = nothing) {
    this.#path = path;
    this.#seal = seal;
  }

  /** Appends `bytes[from, to)`, preceded by its length as a varint. */
  text(bytes: Uint8Array, from: number, to: number): void {
    this.#reserve(5);
    for (let rest = to - from; ; rest >>>= 7) {
      this.#buffer[this.#buffered++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80;
      if (rest < 0x80) break;
    }
    this.raw(bytes.subarray(from, to));
  }

  u32(value: number): void {
    this.#reserve(4);
    const at = this.#buffered;
    for (let i = 0; i < 4; i++) this.#buffer[at + i] = value >>> (8 * i);
    this.#buffered = at + 4;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    if (bytes.length > bufferBytes) {
      this.#write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.length;
  }

  /** Makes all additions durable and closes the file. */
  commit(): AppendSeal {
    this.#flush();
    if (this.#fd !== undefined) fsyncSync(this.#fd);
    this.close();
    return this.#seal;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #reserve(more: number): void {
    if (this.#buffered + more > bufferBytes) this.#flush();
  }

  #flush(): void {
    if (this.#buffered > 0) this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #write(bytes: Uint8Array): void {
    const { sizeBytes, crc } = this.#seal;
    if (this.#fd === undefined) {
      this.#fd = openSync(this.#path, sizeBytes === 0 ? 'w' : 'r+', 0o600);
      cutUnacknowledged(this.#fd, sizeBytes, sizeBytes);
    }
    writeFully(this.#fd, bytes, sizeBytes);
    this.#seal = { sizeBytes: sizeBytes + bytes.length, crc: crc32(bytes, crc) };
  }
}

/** Reads the valid part of a file into memory that threads share. Throws `StarDamaged`. */
export function readShared(path: string, { sizeBytes, crc }: AppendSeal): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(4 * Math.ceil(sizeBytes / 4));
  readExactly(path, 0, new Uint8Array(shared, 0, sizeBytes), crc);
  return shared;
}

/** Fills `into` from the file and checks the checksum, if given. Throws `StarDamaged`. */
export function readExactly(path: string, offset: number, into: Uint8Array, crc: number | undefined): void {
  if (into.length === 0) return;
  const fd = openSound(path);
  try {
    readFully(fd, path, offset, into);
  } finally {
    closeSync(fd);
  }
  if (crc !== undefined && crc32(into) !== crc) throw new StarDamaged(`${path} does not match its checksum`);
}

/**
 * Yields the texts of a file in order, many at a time; each group is valid until the next. Throws `StarDamaged`, at the
 * latest at the end.
 */
export function* readTexts(path: string, { sizeBytes, crc }: AppendSeal): Generator<TextSpans> {
  if (sizeBytes === 0) return;
  const fd = openSound(path);
  try {
    let bytes: Uint8Array = new Uint8Array(2 * chunkBytes);
    let kept = 0;
    let seen = 0;
    for (let at = 0; at < sizeBytes;) {
      const more = Math.min(chunkBytes, sizeBytes - at);
      if (kept + more > bytes.length) bytes = grown(bytes, kept + more);
      const chunk = bytes.subarray(kept, kept + more);
      readFully(fd, path, at, chunk);
      seen = crc32(chunk, seen);
      at += more;
      const spans = spansIn(bytes, kept + more);
      yield spans;
      kept = kept + more - spans.sizeBytes;
      bytes.copyWithin(0, spans.sizeBytes, spans.sizeBytes + kept);
    }
    if (seen !== crc || kept > 0) throw new StarDamaged(`${path} does not match its checksum`);
  } finally {
    closeSync(fd);
  }
}

/** Returns the complete texts among the first `length` bytes. */
function spansIn(bytes: Uint8Array, length: number): TextSpans {
  const starts: number[] = [];
  const ends: number[] = [];
  let sizeBytes = 0;
  for (let at = 0; at < length;) {
    let size = 0;
    let byte = 0x80;
    for (let shift = 0; byte >= 0x80 && at < length; shift += 7) {
      byte = bytes[at++] ?? 0;
      size |= (byte & 0x7f) << shift;
    }
    if (byte >= 0x80 || size < 0 || at + size > length) break;
    starts.push(at);
    ends.push((at += size));
    sizeBytes = at;
  }
  return {
    bytes,
    sizeBytes,
    starts: Uint32Array.from(starts),
    ends: Uint32Array.from(ends),
    count: starts.length,
  };
}

function openSound(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    throw new StarDamaged(`${path} is missing`, { cause });
  }
}

function readFully(fd: number, path: string, offset: number, into: Uint8Array): void {
  if (readInto(fd, offset, into) < into.length) throw new StarDamaged(`${path} ends early`);
}
