/**
 * The order of packed texts by their bytes: multikey quicksort (Bentley and Sedgewick, "Fast algorithms for sorting and
 * searching strings", 1997). It looks at one byte of each text at a time, so that the beginning which many URLs share is
 * read once and not in every comparison, and makes no object of any text.
 */
import type { PackedTexts } from '../../lib/packed-texts.js';

/** Groups up to this size are sorted by insertion. */
const fewTexts = 12;

/**
 * The numbers of all texts in order.
 *
 * @param texts all different, of bytes above the separator, which so ends each of them in the right place
 */
export function textOrder(texts: PackedTexts): Uint32Array {
  const { bytes } = texts;
  const order = Uint32Array.from({ length: texts.count }, (_, number) => number);
  const waiting = [{ from: 0, to: order.length, depth: 0 }];
  for (let group = waiting.pop(); group !== undefined; group = waiting.pop()) {
    const { from, to, depth } = group;
    if (to - from <= fewTexts) insert(from, to, depth);
    else split(from, to, depth);
  }
  return order;

  function byteAt(place: number, depth: number): number {
    return bytes[texts.startOf(order[place] ?? 0) + depth] ?? 0;
  }

  /** Into those with a smaller byte at `depth`, an equal and a greater one than a middle one has. */
  function split(from: number, to: number, depth: number): void {
    const pivot = middle(byteAt(from, depth), byteAt((from + to) >>> 1, depth), byteAt(to - 1, depth));
    let [less, at, greater] = [from, from, to];
    while (at < greater) {
      const byte = byteAt(at, depth);
      if (byte < pivot) swap(less++, at++);
      else if (byte > pivot) swap(at, --greater);
      else at++;
    }
    if (less - from > 1) waiting.push({ from, to: less, depth });
    if (to - greater > 1) waiting.push({ from: greater, to, depth });
    if (greater - less > 1) waiting.push({ from: less, to: greater, depth: depth + 1 });
  }

  function swap(a: number, b: number): void {
    const number = order[a] ?? 0;
    order[a] = order[b] ?? 0;
    order[b] = number;
  }

  function insert(from: number, to: number, depth: number): void {
    for (let next = from + 1; next < to; next++) {
      const number = order[next] ?? 0;
      let hole = next;
      for (; hole > from && compare(order[hole - 1] ?? 0, number, depth) > 0; hole--)
        order[hole] = order[hole - 1] ?? 0;
      order[hole] = number;
    }
  }

  function compare(a: number, b: number, depth: number): number {
    const [startOfA, startOfB] = [texts.startOf(a), texts.startOf(b)];
    const end = texts.endOf(a) - startOfA;
    for (let i = depth; i <= end; i++) {
      const difference = (bytes[startOfA + i] ?? 0) - (bytes[startOfB + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

function middle(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
