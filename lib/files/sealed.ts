/**
 * Small files that know when they were changed: one line of text, and the line's SHA-256 on the next. A file's own hash
 * catches what a chain of hashes cannot: a flipped bit in its last link.
 */
import { createHash } from 'node:crypto';

export interface Sealed<T> {
  readonly body: T;
  /** SHA-256 of the first line, lower-case hex: what a successor names. */
  readonly sha256: string;
}

export interface SealedText {
  readonly text: string;
  readonly sha256: string;
}

/** The content of a sealed file with this line, which has no line break. */
export function sealLine(line: string): SealedText {
  const sha256 = createHash('sha256').update(line).digest('hex');
  return { text: `${line}\n${sha256}\n`, sha256 };
}

/** The line of a sealed file and its hash; undefined when any byte of `text` is not as it was sealed. */
export function unsealLine(text: string): Sealed<string> | undefined {
  const end = text.indexOf('\n');
  if (end < 0) return undefined;
  const body = text.slice(0, end);
  const sealed = sealLine(body);
  return sealed.text === text ? { body, sha256: sealed.sha256 } : undefined;
}

/** `sealLine` of the body as JSON. */
export function seal(body: unknown): SealedText {
  return sealLine(JSON.stringify(body));
}
