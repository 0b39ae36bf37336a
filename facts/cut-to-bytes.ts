/** Longest prefix of a text that fits into `maxBytes` bytes of UTF-8 without splitting a character. */
export function cutToBytes(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
