/** What an id is: of a visitor, an event, an import; and how long texts may be. The door and the record codec ask here alike. */

/** Longest id in UTF-8 bytes. */
export const maxIdBytes = 256;

/** Longest user agent and referrer in UTF-8 bytes. */
export const maxTextBytes = 2048;

/** What no id may hold. */
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
export const controlCharacters = /[\u0000-\u001f\u007f-\u009f]/;

/** True for 1 to 256 bytes of well-formed UTF-8 without control characters. */
export function isId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    isWithin(value, maxIdBytes) &&
    !controlCharacters.test(value) &&
    value.isWellFormed()
  );
}

/** Whether a text has at most so many bytes of UTF-8. */
export function isWithin(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes.
  return 3 * text.length <= maxBytes || (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes);
}
