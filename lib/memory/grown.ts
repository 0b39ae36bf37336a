/** Copies a typed array into one of twice the length, or `needed` if that is more; the rest holds zeros. */
export function grown<T extends Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array>(
  array: T,
  needed = 0,
): T {
  const Kind = array.constructor as new (length: number) => T; // typed arrays are constructed by length
  const longer = new Kind(Math.max(2 * array.length, needed));
  longer.set(array);
  return longer;
}
