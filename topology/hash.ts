/**
 * The hash of fields groupings: FNV-1a over a key's UTF-16 code units (Fowler, Noll, Vo), finished by MurmurHash3's
 * 32-bit mixer so that all bits are usable. The same on every machine and in every run. The log's partitioner hashes
 * UTF-8 bytes as Kafka does instead; hashing strings directly saves an encoding per key.
 */
import { invalid } from './errors.js';

const offsetBasis = 0x811c9dc5 | 0;
const prime = 0x01000193;

/**
 * Returns a 32-bit hash. Values are strings, numbers, bigints, booleans, null or undefined; throws `topology.invalid`
 * on others.
 */
export function hashValues(values: readonly unknown[], indexes: readonly number[]): number {
  let h = offsetBasis;
  for (let i = 0; i < indexes.length; i++) h = hashText(h, textOf(values[indexes[i] ?? 0]));
  return mix(h);
}

/** MurmurHash3's finaliser: a permutation of 32-bit numbers in which every bit depends on all. */
export function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function hashText(start: number, text: string): number {
  let h = start;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), prime);
  // A separator between values, so that ('ab', 'c') and ('a', 'bc') differ.
  return Math.imul(h ^ 0x1_0000, prime);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  switch (typeof value) {
    case 'number':
    case 'bigint':
    case 'boolean':
    case 'undefined':
      return String(value);
    default:
      if (value === null) return 'null';
      throw invalid(`cannot group by a value of type ${typeof value}`);
  }
}
