/**
 * MurmurHash2 (Austin Appleby, 2008; 32 bit, seed 0x9747b28c), with the same results as the default partitioner of
 * Kafka's Java client.
 */

const seed = 0x9747b28c;
const m = 0x5bd1e995;

const encoder = new TextEncoder();

/**
 * Returns the unsigned 32-bit hash of a text's UTF-8 bytes. ASCII, which nearly every key is, is hashed without
 * encoding it.
 */
export function murmur2(text: string): number {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x80) continue;
    const bytes = encoder.encode(text);
    return hash(bytes.length, (at) => bytes[at]);
  }
  return hash(text.length, (i) => text.charCodeAt(i));
}

function hash(length: number, byte: (i: number) => number): number {
  let h = seed ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - i;
  if (rest >= 3) h ^= byte(i + 2) << 16;
  if (rest >= 2) h ^= byte(i + 1) << 8;
  if (rest >= 1) h = Math.imul(h ^ byte(i), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return (h ^ (h >>> 15)) >>> 0;
}
