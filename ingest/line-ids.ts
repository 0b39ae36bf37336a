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

/** At most twice as many lines are remembered: about 40 MB. */
const rememberedLines = 2 ** 18;

export class LineIds {
  readonly #remembered: number;
  /** How often each line has come, in two maps that take turns: by SHA-1, which tells lines apart without keeping them. */
  #recent = new Map<string, number>();
  #before = new Map<string, number>();

  constructor(remembered = rememberedLines) {
    this.#remembered = remembered;
  }

  /**
   * The eventId of a line without one; to be called once for each, in the order of the file.
   * @param site tells equal lines of several sites apart; '' where lines name their site
   */
  idOf(line: string, site: string): string {
    const digest = hash('sha1', `${site}\n${line}`, 'base64url');
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
    const count = 1 + (this.#recent.get(digest) ?? this.#before.get(digest) ?? 0);
    this.#recent.set(digest, count);
    if (this.#recent.size < this.#remembered) return count;
    this.#before = this.#recent;
    this.#recent = new Map();
    return count;
  }
}
