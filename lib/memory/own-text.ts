/**
 * Copies the text into a separate string. V8 makes slices views of the original string, so one cached user agent would
 * keep the whole chunk of the file it was cut from in memory. Unpaired surrogates become U+FFFD.
 */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}
