/**
 * Decompresses LZ4 frames as Kafka's clients write them. Format: "LZ4 Frame Format Description" 1.6 and "LZ4 Block
 * Format Description" of the lz4 project. A frame is
 *
 *   magic u32 | flags u8 | block size u8 | content size u64 if flagged | header checksum u8
 *   blocks: size u32 (highest bit: not compressed) | bytes | checksum u32 if flagged
 *   0 u32 | content checksum u32 if flagged
 *
 * All numbers are little-endian. Checksums are not verified: the record batch has one of its own, which the broker has
 * checked.
 */
const magic = 0x184d2204;
const flag = {
  version: 0xc0,
  blockChecksum: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  dictionary: 0x01,
};
const version = 0x40;
const storedBit = 0x80000000;
const minMatch = 4;

/**
 * Decompresses one frame. Throws `TooLarge` beyond `limit` bytes, and a RangeError if it is not one complete, valid
 * frame.
 */
export function unpackLz4(frame: Buffer, limit: number): Buffer {
  const flags = frame.readUInt8(4);
  if (frame.readUInt32LE(0) !== magic || (flags & flag.version) !== version || flags & flag.dictionary)
    throw new RangeError('not an LZ4 frame');
  const output = new Output(limit);
  let at = flags & flag.contentSize ? 15 : 7;
  for (;;) {
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0) break;
    const end = at + (size & ~storedBit);
    if (end > frame.length) throw new RangeError('an LZ4 block ends beyond its frame');
    if (size & storedBit) output.append(frame, at, end);
    else unpackBlock(frame, at, end, output);
    at = flags & flag.blockChecksum ? end + 4 : end;
  }
  if (flags & flag.contentChecksum) at += 4;
  if (at !== frame.length) throw new RangeError('bytes follow the LZ4 frame');
  return output.bytes();
}

/**
 * Decompresses a block: sequences of literals and a match in the earlier output; the last sequence has only literals.
 */
function unpackBlock(block: Buffer, from: number, end: number, output: Output): void {
  let at = from;
  const length = (nibble: number): number => {
    let total = nibble;
    for (let more = nibble === 15; more;) {
      const next = block.readUInt8(at++);
      total += next;
      more = next === 255;
    }
    return total;
  };
  while (at < end) {
    const token = block.readUInt8(at++);
    const literals = length(token >> 4);
    if (at + literals > end) throw new RangeError('LZ4 literals end beyond their block');
    output.append(block, at, at + literals);
    at += literals;
    if (at === end) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    output.repeat(distance, length(token & 15) + minMatch);
  }
  if (at > end) throw new RangeError('an LZ4 sequence ends beyond its block');
}

/** Thrown if the output would exceed the limit. */
export class TooLarge extends Error {}

/** An output buffer that grows up to a limit. */
class Output {
  readonly #limit: number;
  #buffer = Buffer.allocUnsafe(1 << 16);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  append(from: Buffer, start: number, end: number): void {
    this.#makeRoom(end - start);
    this.#length += from.copy(this.#buffer, this.#length, start, end);
  }

  repeat(distance: number, count: number): void {
    const start = this.#length - distance;
    if (distance === 0 || start < 0) throw new RangeError('an LZ4 match lies before the frame');
    this.#makeRoom(count);
    // A match may overlap its own output: then what was copied is copied again, twice as much each time.
    for (let done = 0; done < count;) {
      const piece = Math.min(count - done, distance + done);
      this.#buffer.copyWithin(this.#length + done, start, start + piece);
      done += piece;
    }
    this.#length += count;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#limit) throw new TooLarge();
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(needed, 2 * this.#buffer.length)));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
