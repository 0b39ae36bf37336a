/** Values of dimensions in one spelling. */

/** Longest value, in bytes of UTF-8. */
export const maxValueBytes = 128;

/** Letters whose case mapping no version of Unicode has changed: Latin, Greek, Cyrillic. Others stay as they are. */
const upperCase = /[A-Z\u00c0-\u052f]+/g;
// eslint-disable-next-line no-control-regex -- control characters are what it is about
const controls = /[\u0000-\u001f\u007f-\u009f]+/g;

/** Trimmed, lower case, without control characters, cut at `maxValueBytes`; '' for none. Idempotent. */
export function spelledValue(text: string | undefined): string {
  if (text === undefined || text === '') return '';
  const lower = text
    .toWellFormed()
    .replace(controls, ' ')
    .trim()
    .replace(upperCase, (letters) => letters.toLowerCase());
  return cut(lower).trim();
}

/** At the end of a character. */
function cut(text: string): string {
  if (text.length <= maxValueBytes / 3) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= maxValueBytes) return text;
  let end = maxValueBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
