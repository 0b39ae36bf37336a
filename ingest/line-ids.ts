/**
 * EventIds for lines of a file that have none, made of what a line says and how often the file has said it: two requests of
 * one client in one second leave equal lines, and are two views.
 *
 * The first of equal lines has the id `line:<hash>`, the n-th `line:<hash>:<n>`. So an id depends on nothing but the line
 * and the lines before it in the file. From that follows: a file that is imported again, from its beginning to wherever it
 * ends by now, has the ids it had; a piece of a file has some of them. Whatever is imported, in however many pieces and
 * tries, a line counts as often as in the file where it occurs most often.
 *
 * Bounded: a line is remembered for the next 262,143 different lines at least. One that is forgotten counts as the first again:
 * one id for two views, so that a view may be missed, but none is counted twice.
 */
import { hash } from 'node:crypto';
import type { Fact } from '../facts/fact.js';
import { repeatText } from '../facts/repeat.js';
import { RecentTable } from '../lib/memory/recent-table.js';

/** At most twice as many lines are remembered: about 20 MB, invisible to the garbage collector. */
const rememberedLines = 2 ** 18;

/** Words of a digest that lines are known by: 120 bits of the SHA-1. */
export const digestWords = 4;

export class LineIds {
  /** How often each line has come, under its digest, which tells lines apart without keeping them. */
  readonly #counts: RecentTable;

  constructor(remembered = rememberedLines) {
    this.#counts = new RecentTable(remembered);
  }

  /** How often the line, or fact, with the digest whose words stand at `at` has come by now; to be asked once for each, in the order of the file. */
  count(words: Int32Array, at: number): number {
    const count = 1 + Math.max(0, this.#counts.get(words, at));
    this.#counts.set(words, at, count);
    return count;
  }
}

/** The eventId of a line that comes for the first time. */
export function idOfLine(digest: string): string {
  return `line:${digest}`;
}

/** The eventId of the n-th line, by that of the first. */
export function idOfRepeatedLine(firstId: string, n: number): string {
  return `${firstId}:${n}`;
}

/**
 * What a line without an eventId is known by, as base64url.
 * @param key without it who has an id can tell by trying whether it is that of a line
 * @param site tells equal lines of several sites apart; '' where lines name their site
 */
export function digestOfLine(line: string, site: string, key: string): string {
  return hash('sha1', `${key}${site}\n${line}`, 'base64url');
}

/**
 * The same of a fact with an eventId of its own, which repeats one before it with the same digest, so that no view would count it: one with
 * another user agent may be the only one that counts, where the other is a bot's.
 */
export function digestOfFact(fact: Fact): string {
  const identity =
    fact.type === 'pageview' ? `${repeatText(fact, fact.url)}${fact.userAgent ?? ''}` : repeatText(fact, '');
  return hash('sha1', identity, 'base64url');
}

/** Puts the words of a digest to `at`. */
export function putDigest(digest: string, words: Int32Array, at: number): void {
  for (let i = 0; i < digestWords; i++) words[at + i] = wordAt(digest, 5 * i);
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The value of each character of base64url, by its code. */
const sixBits = new Int32Array(128);
for (let value = 0; value < alphabet.length; value++) sixBits[alphabet.charCodeAt(value)] = value;

/** Five characters of base64url as 30 bits. */
function wordAt(text: string, from: number): number {
  let word = 0;
  for (let at = from; at < from + 5; at++) word = (word << 6) | (sixBits[text.charCodeAt(at)] ?? 0);
  return word;
}
