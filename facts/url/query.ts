/**
 * The parameters of a query that tell pages apart, in one spelling: read as application/x-www-form-urlencoded (`+` and
 * `%20` are a space, `a` is `a=`), written with everything but unreserved characters percent-encoded, and sorted.
 */
import { encodeText, spellParameter } from './percent.js';

export class AllowedParameters {
  readonly #names: ReadonlySet<string>;

  /** @param names as they read when decoded */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map(encodeText));
  }

  /** The names in one spelling, sorted. */
  get names(): readonly string[] {
    return [...this.#names].toSorted();
  }

  /** Of the query of `url` that begins at `from`: '', or what is kept with its `?`. */
  keep(url: string, from: number): string {
    if (this.#names.size === 0) return '';
    const kept: string[] = [];
    for (const part of queryOf(url, from).split('&')) {
      if (part === '') continue;
      const equals = part.indexOf('=');
      const name = spellParameter(equals < 0 ? part : part.slice(0, equals));
      if (!this.#names.has(name)) continue;
      kept.push(`${name}=${equals < 0 ? '' : spellParameter(part.slice(equals + 1))}`);
    }
    return kept.length === 0 ? '' : `?${kept.toSorted().join('&')}`;
  }
}

/** Without what the URL standard removes before it parses: tabs and newlines, control characters and spaces at the end. */
function queryOf(url: string, from: number): string {
  let to = url.indexOf('#', from);
  if (to < 0) {
    to = url.length;
    while (to > from && url.charCodeAt(to - 1) <= 0x20) to--;
  }
  return url.slice(from, to).replace(/[\t\n\r]/g, '');
}
