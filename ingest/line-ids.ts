/**
 * EventIds for lines without one, made from a line's text and its number among equal lines of the file: two requests of one
 * client in one second leave equal lines, and are two pageviews.
 *
 * The first of equal lines gets the id `line:<hash>`, the n-th `line:<hash>:<n>`. So an id depends only on the line and the
 * lines before it in the file. A file that has grown and is imported again from its beginning gives the same ids, and a part of
 * a file gives some of them. However often and in whatever parts files are imported, a line counts as often as in the file in
 * which it occurs most often.
 *
 * Memory is bounded: a line is remembered for at least the next 262,143 different lines. A line that was forgotten counts as
 * the first again. Then two pageviews have one id, and one of them is missed; none is counted twice.
 */
import { hash } from 'node:crypto';
import type { Fact } from '../facts/fact.js';
import { repeatText } from '../facts/repeat.js';
import { RecentTable } from '../lib/memory/recent-table.js';

/** At least this many lines are remembered, and at most twice as many: about 20 MB outside the garbage-collected heap. */
const rememberedLines = 2 ** 18;

/** Number of words of a digest in the table: the first 128 bits of the SHA-1. */
export const digestWords = 4;

export class LineIds {
  /** Number of occurrences by digest of the line. */
  readonly #counts: RecentTable;

  constructor(remembered = rememberedLines) {
    this.#counts = new RecentTable(remembered);
  }

  /** Counts an occurrence of the line, or fact, with the digest at `words[at]`, and returns the count so far. Call once per line, in file order. */
  count(words: Int32Array, at: number): number {
    const count = 1 + Math.max(0, this.#counts.get(words, at));
    this.#counts.set(words, at, count);
    return count;
  }
}

/** The eventId of the first of equal lines. */
export function idOfLine(digest: string): string {
  return `line:${digest}`;
}

/** The eventId of the n-th of equal lines, from that of the first. */
export function idOfRepeatedLine(firstId: string, n: number): string {
  return `${firstId}:${n}`;
}

/**
 * Digest of a line without an eventId: SHA-1 as base64url.
 * @param key secret key: without one, anyone with an id could test whether it belongs to a guessed line
 * @param site distinguishes equal lines of several sites; '' if lines name their site
 */
export function digestOfLine(line: string, site: string, key: string): string {
  return hash('sha1', `${key}${site}\n${line}`, 'base64url');
}

/**
 * Digest of a fact with its own eventId. A later fact with the same digest is a repeat that no view counts. The user agent is part of the digest,
 * because of two facts that differ in it one may be a bot's, so that the other counts.
 */
export function digestOfFact(fact: Fact): string {
  const identity =
    fact.type === 'pageview' ? `${repeatText(fact, fact.url)}${fact.userAgent ?? ''}` : repeatText(fact, '');
  return hash('sha1', identity, 'base64url');
}

/** Writes the words of a digest to `words`, from `at` on. */
export function putDigest(digest: string, words: Int32Array, at: number): void {
  for (let i = 0; i < digestWords; i++) words[at + i] = wordAt(digest, 32 * i);
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Value of each base64url character, by its code. */
const sixBits = new Int32Array(128);
for (let value = 0; value < alphabet.length; value++) sixBits[alphabet.charCodeAt(value)] = value;

/** The 32 bits from an even bit on, of a text in base64url. */
function wordAt(text: string, bit: number): number {
  const from = Math.floor(bit / 6);
  const skipped = bit % 6;
  let word = 0;
  for (let at = from; at < from + 5; at++) word = (word << 6) | (sixBits[text.charCodeAt(at)] ?? 0);
  const last = sixBits[text.charCodeAt(from + 5)] ?? 0;
  return (word << (2 + skipped)) | (last >>> (4 - skipped));
}
