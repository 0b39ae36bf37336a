/**
 * Canonical percent-encoding (RFC 3986, 6.2.2): upper-case hex digits, unreserved characters bare, everything that must not be bare as the
 * escapes of its UTF-8 bytes, a stray `%` as `%25`. Reserved characters keep their form, since the two forms have different meanings (RFC 3986
 * 2.2).
 */

/** Matches escapes and everything that must not be bare in a path: all but pchar and `/` (RFC 3986, 3.3). */
const notInPath = /%(?:[0-9A-Fa-f]{2})?|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]+/g;
/** The same for names and values of a query, whose delimiters are already parsed. */
const notInParameter = /%(?:[0-9A-Fa-f]{2})?|[^A-Za-z0-9\-._~%]+/g;
const unreserved = /[A-Za-z0-9\-._~]/;
/** Reserved characters that `encodeURIComponent` leaves bare. */
const marks = /[!'()*]/g;

export function canonicalPath(path: string): string {
  return path.replace(notInPath, spell);
}

/** A name or value of an application/x-www-form-urlencoded query: `+` is a space. */
export function canonicalParameter(text: string): string {
  return text.replaceAll('+', '%20').replace(notInParameter, spell);
}

/** Encodes a text that contains no escapes yet. */
export function encodeText(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(marks, (mark) => escapeOf(mark.charCodeAt(0)));
}

function spell(part: string): string {
  if (!part.startsWith('%')) return encodeText(part);
  if (part.length === 1) return '%25';
  const byte = Number.parseInt(part.slice(1), 16);
  const character = String.fromCharCode(byte);
  return unreserved.test(character) ? character : escapeOf(byte);
}

function escapeOf(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
