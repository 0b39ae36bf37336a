/** What was made of the texts that came lately, so that a user agent is decoded once and not on every line. Bounded. */
import { ownText } from '../../../lib/memory/own-text.js';

/** Longer texts are seldom the same, and the memory of all must be bounded. */
const maxLength = 1_024;

export class TextMemo<T> {
  readonly #make: (text: string) => T;
  readonly #maxTexts: number;
  readonly #made = new Map<string, T>();

  /**
   * @param make depends on nothing but the text
   * @param maxTexts remembered at most
   */
  constructor(make: (text: string) => T, maxTexts = 4_096) {
    this.#make = make;
    this.#maxTexts = maxTexts;
  }

  get(text: string): T {
    const known = this.#made.get(text);
    if (known !== undefined || text.length > maxLength) return known ?? this.#make(text);
    const own = ownText(text);
    const made = this.#make(own);
    if (this.#made.size >= this.#maxTexts) this.#made.clear();
    this.#made.set(own, made);
    return made;
  }
}
