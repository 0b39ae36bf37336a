/**
 * Key to partition: Kafka's default partitioner (MurmurHash2, 32 bit, seed 0x9747b28c, sign bit cleared, modulo the
 * number of partitions), so that producers in other languages put a key where we do.
 */

const seed = 0x9747b28c;
const m = 0x5bd1e995;

/** MurmurHash2 of UTF-8 bytes, as Java's Kafka client computes it; unsigned 32 bit. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  let h = seed ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k =
      byte(bytes, i) | (byte(bytes, i + 1) << 8) | (byte(bytes, i + 2) << 16) | (byte(bytes, i + 3) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - i;
  if (rest >= 3) h ^= byte(bytes, i + 2) << 16;
  if (rest >= 2) h ^= byte(bytes, i + 1) << 8;
  if (rest >= 1) h = Math.imul(h ^ byte(bytes, i), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return (h ^ (h >>> 15)) >>> 0;
}

const encoder = new TextEncoder();

export function partitionOf(key: string, partitionCount: number): number {
  return partitionCount === 1 ? 0 : (murmur2(encoder.encode(key)) & 0x7fffffff) % partitionCount;
}

function byte(bytes: Uint8Array, i: number): number {
  return bytes[i] ?? 0;
}
