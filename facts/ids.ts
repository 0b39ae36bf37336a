/** What a valid id of a visitor, event or import is, and the maximum length of texts. Used by the door and by the record codec. */

/** Maximum length of an id in UTF-8 bytes. */
export const maxIdBytes = 256;

/** Maximum length of a user agent or referrer in UTF-8 bytes. */
export const maxTextBytes = 2048;

/** Characters that ids must not contain. */
// eslint-disable-next-line no-control-regex -- matches control characters on purpose
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

/** Whether a text is at most `maxBytes` long in UTF-8. */
export function isWithin(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes.
  return 3 * text.length <= maxBytes || (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes);
}
