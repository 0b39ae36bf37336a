/** A bounded cache of a function of texts, so that a user agent is decoded once and not on every line. */
import { ownText } from '../../../lib/memory/own-text.js';

/** Maximum length of cached texts in UTF-16 units: longer texts rarely repeat, and memory must be bounded. */
const maxLength = 1_024;

export class TextMemo<T> {
  readonly #make: (text: string) => T;
  readonly #maxTexts: number;
  readonly #made = new Map<string, T>();

  /**
   * @param make a pure function of the text
   * @param maxTexts maximum number of cached texts
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
