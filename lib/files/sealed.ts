/**
 * Small files that detect changes: one line of text, followed by the line's SHA-256. Unlike a chain of hashes, a file's
 * own hash also detects a change in the last link.
 */
import { createHash } from 'node:crypto';

export interface Sealed<T> {
  readonly body: T;
  /** SHA-256 of the first line, lower-case hex; a successor refers to it. */
  readonly sha256: string;
}

export interface SealedText {
  readonly text: string;
  readonly sha256: string;
}

/** Returns the content of a sealed file for a line without line breaks. */
export function sealLine(line: string): SealedText {
  const sha256 = createHash('sha256').update(line).digest('hex');
  return { text: `${line}\n${sha256}\n`, sha256 };
}

/** Returns the line of a sealed file and its hash; undefined if any byte has changed. */
export function unsealLine(text: string): Sealed<string> | undefined {
  const end = text.indexOf('\n');
  if (end < 0) return undefined;
  const body = text.slice(0, end);
  const sealed = sealLine(body);
  return sealed.text === text ? { body, sha256: sealed.sha256 } : undefined;
}

/** Like `sealLine`, with the body as JSON. */
export function seal(body: unknown): SealedText {
  return sealLine(JSON.stringify(body));
}
