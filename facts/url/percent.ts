/**
 * Percent-encoding in one spelling (RFC 3986, 6.2.2): hex digits upper case, unreserved characters bare, everything that may
 * not stand bare as the escapes of its UTF-8 bytes, a stray `%` as `%25`. Reserved characters keep the form they have, since
 * RFC 3986 2.2 gives the two forms two meanings.
 */

/** What may stand bare in a path: pchar and `/` (RFC 3986, 3.3). All else matches, and every escape. */
const notInPath = /%(?:[0-9A-Fa-f]{2})?|[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]+/g;
/** The same for a name or a value of a query, where every delimiter has done its work. */
const notInParameter = /%(?:[0-9A-Fa-f]{2})?|[^A-Za-z0-9\-._~%]+/g;
const unreserved = /[A-Za-z0-9\-._~]/;
/** Reserved, but left bare by `encodeURIComponent`. */
const marks = /[!'()*]/g;

/** A path, of any characters. */
export function spellPath(path: string): string {
  return path.replace(notInPath, spell);
}

/** A name or value of an application/x-www-form-urlencoded query: `+` is a space. */
export function spellParameter(text: string): string {
  return text.replaceAll('+', '%20').replace(notInParameter, spell);
}

/** Any text, of which no character is an escape or a space already. */
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
