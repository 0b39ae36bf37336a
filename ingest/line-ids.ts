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

export class LineIds {
  /** How often each line has come, under 120 bits of its SHA-1, which tells lines apart without keeping them. */
  readonly #counts: RecentTable;
  readonly #words = new Int32Array(4);
  readonly #key: string;

  /** @param key without it who has an id can tell by trying whether it is that of a line */
  constructor(key = '', remembered = rememberedLines) {
    this.#key = key;
    this.#counts = new RecentTable(remembered);
  }

  /**
   * The eventId of a line without one; to be called once for each, in the order of the file.
   * @param site tells equal lines of several sites apart; '' where lines name their site
   */
  idOf(line: string, site: string): string {
    const digest = hash('sha1', `${this.#key}${site}\n${line}`, 'base64url');
    const occurrence = this.#count(digest);
    return occurrence === 1 ? `line:${digest}` : `line:${digest}:${occurrence}`;
  }

  /**
   * Whether a fact with an eventId of its own repeats one before it, so that no view would count it: one with another user
   * agent may be the only one that counts, where the other is a bot's.
   */
  isRepeat(fact: Fact): boolean {
    const identity =
      fact.type === 'pageview'
        ? `${repeatText(fact, fact.url)}${fact.userAgent ?? ''}`
        : repeatText(fact, '');
    return this.#count(hash('sha1', identity, 'base64url')) > 1;
  }

  #count(digest: string): number {
    const words = this.#words;
    for (let i = 0; i < words.length; i++) words[i] = wordAt(digest, 5 * i);
    const count = 1 + Math.max(0, this.#counts.get(words, 0));
    this.#counts.set(words, 0, count);
    return count;
  }
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
