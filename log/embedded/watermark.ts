/**
 * The watermark: a small file, overwritten in place after every durable commit, with the position up to which readers
 * may read and the next offsets. It is not fsynced while the writer lives, so after a power cut it may lag behind the
 * segments. It therefore stores the machine's boot id, and counts as absent after a reboot; recover.ts then finds the
 * end from the segments. Within one boot it is exact, even after kill -9.
 *
 *   u32 magic, u32 crc of the rest, 36 bytes boot id, u32 segment, u32 position, u32 partitions, f64 next offsets
 */
import { closeSync, fsyncSync, openSync, readFileSync, readSync, watch, type FSWatcher } from 'node:fs';
import { crc32 } from 'node:zlib';
import { systemCode } from '../../lib/errors/errors.js';
import { createFile, writeFully } from '../../lib/files/durable.js';
import { corrupt } from './layout.js';

const magic = 0x5357574d;
const fixedBytes = 56;

export interface Watermark {
  readonly segment: number;
  /** Byte position at which the durable part of that segment ends. */
  readonly position: number;
  /** Next offset of each partition, by partition index. */
  readonly next: readonly number[];
}

export class WatermarkWriter {
  readonly #fd: number;
  readonly #boot = bootId();

  /** Writes this watermark and creates the file if needed; durable when the constructor returns. */
  constructor(path: string, first: Watermark) {
    createFile(path, encode(first, this.#boot));
    this.#fd = openSync(path, 'r+');
    this.publish(first);
    fsyncSync(this.#fd);
  }

  publish(watermark: Watermark): void {
    writeFully(this.#fd, encode(watermark, this.#boot), 0);
  }

  close(): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }
}

/** Polling interval in milliseconds without file change notifications, and with them (as a fallback). */
const pollMs = { blind: 10, watched: 1_000 };

/** A reader's view of the watermark. Many may be open, in any process. */
export class WatermarkReader {
  readonly #path: string;
  readonly #fd: number;
  readonly #buffer: Buffer;
  #watcher: FSWatcher | undefined;
  #watched: boolean | undefined;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(path: string, partitionCount: number) {
    this.#path = path;
    this.#fd = openSync(path, 'r');
    this.#buffer = Buffer.alloc(fixedBytes + 8 * partitionCount);
  }

  /** Returns the last published watermark. Throws `log.corrupt` if its checksum stays wrong. */
  read(): Watermark {
    // The writer may be in the middle of its pwrite: then the crc fails, and a later read succeeds.
    for (let attempt = 0; attempt < 10_000; attempt++) {
      readSync(this.#fd, this.#buffer, 0, this.#buffer.length, 0);
      const watermark = decode(this.#buffer);
      if (watermark !== undefined) return watermark;
    }
    throw corrupt(this.#path, 'its checksum does not match');
  }

  /**
   * Waits until the file may have changed since the last call, `timeoutMs` has passed or `signal` aborts. May return
   * early; the caller must read the watermark again.
   */
  async wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#watched === undefined) this.#watch();
    else if (!this.#changed && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(finish, Math.min(timeoutMs, this.#watched ? pollMs.watched : pollMs.blind));
        function finish(): void {
          clearTimeout(timer);
          signal?.removeEventListener('abort', finish);
          resolve();
        }
        signal?.addEventListener('abort', finish);
        this.#wake = finish;
      });
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#wake();
    closeSync(this.#fd);
  }

  /** Watches the file; `wait` polls if the system does not support that. */
  #watch(): void {
    try {
      this.#watcher = watch(this.#path, { persistent: false }, () => {
        this.#changed = true;
        this.#wake();
      });
      this.#watcher.on('error', () => (this.#watched = false));
      this.#watched = true;
    } catch {
      this.#watched = false;
    }
  }
}

/** Returns the watermark on disk; undefined unless it is known to be exact. */
export function currentWatermark(path: string): Watermark | undefined {
  const found = readWatermark(path);
  return found?.boot === bootId() ? found.watermark : undefined;
}

/** Returns the watermark on disk, whichever boot wrote it: everything below it was durable once. */
export function lastWatermark(path: string): Watermark | undefined {
  return readWatermark(path)?.watermark;
}

function readWatermark(path: string): { boot: string; watermark: Watermark } | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const watermark = decode(bytes);
  return watermark === undefined ? undefined : { boot: bytes.toString('latin1', 8, 44), watermark };
}

/**
 * Encodes a watermark for a copy of the log, without a boot id: a process that opens the copy finds its end from the
 * segments, and requires everything below this watermark.
 */
export function watermarkOfCopy(watermark: Watermark): Buffer {
  return encode(watermark, ''.padEnd(36));
}

function encode(watermark: Watermark, boot: string): Buffer {
  const bytes = Buffer.alloc(fixedBytes + 8 * watermark.next.length);
  bytes.writeUInt32LE(magic, 0);
  bytes.write(boot, 8, 'latin1');
  bytes.writeUInt32LE(watermark.segment, 44);
  bytes.writeUInt32LE(watermark.position, 48);
  bytes.writeUInt32LE(watermark.next.length, 52);
  watermark.next.forEach((next, i) => bytes.writeDoubleLE(next, fixedBytes + 8 * i));
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

function decode(bytes: Buffer): Watermark | undefined {
  if (bytes.length < fixedBytes || bytes.readUInt32LE(0) !== magic) return undefined;
  const count = bytes.readUInt32LE(52);
  if (bytes.length < fixedBytes + 8 * count) return undefined;
  if (bytes.readUInt32LE(4) !== crc32(bytes.subarray(8, fixedBytes + 8 * count))) return undefined;
  return {
    segment: bytes.readUInt32LE(44),
    position: bytes.readUInt32LE(48),
    next: Array.from({ length: count }, (_, i) => bytes.readDoubleLE(fixedBytes + 8 * i)),
  };
}

/** Returns the boot id of the machine (Linux) or a constant elsewhere. 36 characters. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().slice(0, 36).padEnd(36);
  } catch {
    return 'unknown'.padEnd(36);
  }
}
