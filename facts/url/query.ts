/**
 * Query parameters that distinguish pages, in canonical form: parsed as application/x-www-form-urlencoded (`+` and `%20` are a space, `a` is
 * `a=`), written with everything except unreserved characters percent-encoded, and sorted.
 */
import { encodeText, canonicalParameter } from './percent.js';

export class AllowedParameters {
  readonly #names: ReadonlySet<string>;

  /** @param names decoded names of the parameters to keep */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map(encodeText));
  }

  /** Encoded names, sorted. */
  get names(): readonly string[] {
    return [...this.#names].toSorted();
  }

  /** The allowed parameters of the query that begins at `from`, with a leading `?`; '' if there are none. */
  keep(url: string, from: number): string {
    if (this.#names.size === 0) return '';
    const kept: string[] = [];
    for (const part of queryOf(url, from).split('&')) {
      if (part === '') continue;
      const equals = part.indexOf('=');
      const name = canonicalParameter(equals < 0 ? part : part.slice(0, equals));
      if (!this.#names.has(name)) continue;
      kept.push(`${name}=${equals < 0 ? '' : canonicalParameter(part.slice(equals + 1))}`);
    }
    return kept.length === 0 ? '' : `?${kept.toSorted().join('&')}`;
  }
}

/** The query without what the URL standard removes before parsing: tabs, newlines, and trailing control characters and spaces. */
function queryOf(url: string, from: number): string {
  let to = url.indexOf('#', from);
  if (to < 0) {
    to = url.length;
    while (to > from && url.charCodeAt(to - 1) <= 0x20) to--;
  }
  return url.slice(from, to).replace(/[\t\n\r]/g, '');
}
