/**
 * The watermark: a small file, overwritten in place after every durable commit, that says how far readers may go and
 * what the next offsets are. It is never fsynced while the writer lives, so after a power cut it may lag behind the
 * segments: it carries the boot it was written in, and one of another boot counts as absent (recover.ts then works the
 * end out from the segments). Within one boot it is exact, also after kill -9.
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
  /** End of the durable bytes in that segment. */
  readonly position: number;
  /** Next offset of each partition, by partition index. */
  readonly next: readonly number[];
}

export class WatermarkWriter {
  readonly #fd: number;
  readonly #boot = bootId();

  /** Puts this watermark in place, creating the file if need be; durable when it returns. */
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

/** Milliseconds between looks at the file where the system reports no changes, and where it does (to be safe). */
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

  /** The last one published. */
  read(): Watermark {
    // The writer may be halfway through its pwrite: then the crc fails, and the next look is right.
    for (let attempt = 0; attempt < 10_000; attempt++) {
      readSync(this.#fd, this.#buffer, 0, this.#buffer.length, 0);
      const watermark = decode(this.#buffer);
      if (watermark !== undefined) return watermark;
    }
    throw corrupt(this.#path, 'its checksum does not match');
  }

  /**
   * Waits until the file may have changed since the last call, `timeoutMs` is over or `signal` aborts. May return
   * early; the caller reads and decides.
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

  /** Where the system cannot watch, polling must do. */
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

/** The watermark on disk, or undefined when there is none that can be trusted to be exact. */
export function currentWatermark(path: string): Watermark | undefined {
  const found = readWatermark(path);
  return found?.boot === bootId() ? found.watermark : undefined;
}

/** The watermark on disk whatever boot wrote it: all below it was durable once. */
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

/** The bytes of a watermark for a copy of the log: of no boot, so that a process that opens the copy works out its end and misses nothing below this. */
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

/** Names this run of the machine (Linux); elsewhere all boots look the same. 36 characters. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().slice(0, 36).padEnd(36);
  } catch {
    return 'unknown'.padEnd(36);
  }
}
