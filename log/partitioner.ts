/**
 * Key to partition: Kafka's default partitioner (MurmurHash2, 32 bit, seed 0x9747b28c, sign bit cleared, modulo the
 * number of partitions), so that producers in other languages put a key where we do.
 */
import { partitionName, type NewRecord, type PartitionName } from './log.js';

const seed = 0x9747b28c;
const m = 0x5bd1e995;

/** Every partition of a log, in the fixed order of `Log.partitions`: those of pageviews, then the one of equivs. */
export function partitionsOf(pageviewPartitions: number): PartitionName[] {
  const pageviews = Array.from({ length: pageviewPartitions }, (_, i) => partitionName('pageviews', i));
  return [...pageviews, partitionName('equivs', 0)];
}

/** Which partition a record goes to: an index into `partitionsOf(pageviewPartitions)`. */
export function partitionIndexOf(record: NewRecord, pageviewPartitions: number): number {
  return record.topic === 'pageviews' ? partitionOf(record.key, pageviewPartitions) : pageviewPartitions;
}

export function partitionOf(key: string, partitionCount: number): number {
  return partitionCount === 1 ? 0 : (hashOfKey(key) & 0x7fffffff) % partitionCount;
}

/** MurmurHash2 of UTF-8 bytes, as Java's Kafka client computes it; unsigned 32 bit. */
export function murmur2(bytes: Uint8Array): number {
  return hash(bytes.length, (i) => bytes[i] ?? 0);
}

const encoder = new TextEncoder();

/** The hash of a key's UTF-8 bytes; an ASCII key, nearly every one, is hashed where it stands. */
function hashOfKey(key: string): number {
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) >= 0x80) return murmur2(encoder.encode(key));
  return hash(key.length, (i) => key.charCodeAt(i));
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
