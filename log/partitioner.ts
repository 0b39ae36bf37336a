/**
 * Maps keys to partitions with Kafka's default partitioner (MurmurHash2, 32 bit, seed 0x9747b28c, sign bit cleared,
 * modulo the number of partitions), so producers in other languages put a key into the same partition.
 */
import { murmur2 } from './arrays/murmur2.js';
import { partitionName, type NewRecord, type PartitionName } from './log.js';

/** All partitions of a log in the order of `Log.partitions`: those of pageviews, then the one of equivs. */
export function partitionsOf(pageviewPartitions: number): PartitionName[] {
  const pageviews = Array.from({ length: pageviewPartitions }, (_, i) => partitionName('pageviews', i));
  return [...pageviews, partitionName('equivs', 0)];
}

/** Returns a record's partition as an index into `partitionsOf(pageviewPartitions)`. */
export function partitionIndexOf(record: NewRecord, pageviewPartitions: number): number {
  return record.topic === 'pageviews' ? partitionOf(record.key, pageviewPartitions) : pageviewPartitions;
}

export function partitionOf(key: string, partitionCount: number): number {
  return partitionCount === 1 ? 0 : (murmur2(key) & 0x7fffffff) % partitionCount;
}
