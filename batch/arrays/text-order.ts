/**
 * Sorts packed texts by their bytes: an MSD radix sort (McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993) that takes four bytes of
 * all texts of a group at a time. Each text's four bytes and its number form a 64-bit word, and the engine sorts the words; texts that are equal
 * so far form the next groups. So memory is accessed mostly in sequence, prefixes that many URLs share are read once, and no text becomes an
 * object.
 */
import { textSeparator, type PackedTexts } from '../../lib/memory/packed-texts.js';

/** Groups up to this size are sorted by insertion. */
const insertionSortLimit = 12;
const bytesAtOnce = 4;

/**
 * The numbers of all texts in order.
 *
 * @param texts distinct texts of bytes greater than the separator, so that a prefix sorts before longer texts
 */
export function textOrder(texts: PackedTexts): Uint32Array {
  const { bytes } = texts;
  const order = Uint32Array.from({ length: texts.count }, (_, number) => number);
  const words = new BigUint64Array(texts.count);
  const halves = new Uint32Array(words.buffer); // for each word: the number, then the bytes of its text
  const waiting = [{ from: 0, to: order.length, depth: 0 }];
  for (let group = waiting.pop(); group !== undefined; group = waiting.pop()) {
    const { from, to, depth } = group;
    if (to - from <= insertionSortLimit) insert(from, to, depth);
    else sortGroup(from, to, depth);
  }
  return order;

  function sortGroup(from: number, to: number, depth: number): void {
    for (let i = from; i < to; i++) {
      const number = order[i];
      halves[2 * i] = number;
      halves[2 * i + 1] = bytesOf(texts.startOf(number) + depth);
    }
    words.subarray(from, to).sort();
    let first = from;
    for (let i = from; i < to; i++) {
      order[i] = halves[2 * i];
      if (i + 1 < to && halves[2 * i + 1] === halves[2 * i + 3]) continue;
      if (i > first) waiting.push({ from: first, to: i + 1, depth: depth + bytesAtOnce });
      first = i + 1;
    }
  }

  /** The next four bytes of a text, up to and including its separator; the rest is 0. */
  function bytesOf(from: number): number {
    let value = 0;
    for (let i = 0; i < bytesAtOnce; i++) {
      const byte = bytes[from + i];
      value |= byte << (24 - 8 * i);
      if (byte === textSeparator) break;
    }
    return value;
  }

  function insert(from: number, to: number, depth: number): void {
    for (let next = from + 1; next < to; next++) {
      const number = order[next];
      let hole = next;
      for (; hole > from && compare(order[hole - 1], number, depth) > 0; hole--)
        order[hole] = order[hole - 1];
      order[hole] = number;
    }
  }

  function compare(a: number, b: number, depth: number): number {
    const [startOfA, startOfB] = [texts.startOf(a), texts.startOf(b)];
    const end = texts.endOf(a) - startOfA;
    for (let i = depth; i <= end; i++) {
      const difference = bytes[startOfA + i] - bytes[startOfB + i];
      if (difference !== 0) return difference;
    }
    return 0;
  }
}
