/** Normalised spelling of dimension values. */

/** Maximum length of a value in bytes of UTF-8. */
export const maxValueBytes = 128;

/** Letters whose case mapping is the same in all versions of Unicode: Latin, Greek, Cyrillic. Other letters are not lower-cased. */
const upperCase = /[A-Z\u00c0-\u052f]+/g;
// eslint-disable-next-line no-control-regex -- matches control characters on purpose
const controls = /[\u0000-\u001f\u007f-\u009f]+/g;

/** Trims, lower-cases, replaces control characters by spaces, and cuts to `maxValueBytes`; '' for no value. Idempotent. */
export function normalizedValue(text: string | undefined): string {
  if (text === undefined || text === '') return '';
  const lower = text
    .toWellFormed()
    .replace(controls, ' ')
    .trim()
    .replace(upperCase, (letters) => letters.toLowerCase());
  return cut(lower).trim();
}

/** Cuts to `maxValueBytes` without splitting a character. */
function cut(text: string): string {
  if (text.length <= maxValueBytes / 3) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= maxValueBytes) return text;
  let end = maxValueBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
