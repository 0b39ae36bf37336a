/** Converts between texts and spans of one array. */
import type { TextSpans } from './keyed-hash.js';

export function spansOf(texts: readonly string[]): TextSpans {
  const starts = new Uint32Array(texts.length);
  const ends = new Uint32Array(texts.length);
  const parts = texts.map((text) => Buffer.from(text));
  let at = 0;
  parts.forEach((part, i) => {
    starts[i] = at;
    ends[i] = at += part.length;
  });
  return { bytes: Buffer.concat(parts), sizeBytes: at, starts, ends, count: texts.length };
}

export function* textsOf({ bytes, starts, ends, count }: TextSpans): Generator<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < count; i++) yield buffer.toString('utf8', starts[i], ends[i]);
}
