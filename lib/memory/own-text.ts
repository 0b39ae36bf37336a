/**
 * The text as a string of its own. V8 makes a slice of a string as a view of it, so that one user agent kept in a cache keeps the whole chunk of
 * the file in memory that it was cut from. Unpaired surrogates become U+FFFD.
 */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}
