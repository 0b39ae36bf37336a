/**
 * Decodes the escapes that servers write in logs: `\xhh` for a byte (lower case in Apache, upper case in nginx), `\"`, `\\`, C's
 * `\b \f \n \r \t \v`, and `\uhhhh` (Tomcat). Any other backslash is taken literally, because Traefik escapes only quotes.
 */

//               bytes in hex                 UTF-16 units               one character
const escape = /((?:\\x[0-9A-Fa-f]{2})+)|((?:\\u[0-9A-Fa-f]{4})+)|\\(["\\bfnrtv])/g;

const byName: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

type Groups = readonly [hex: string | undefined, units: string | undefined, name: string | undefined];

/** Returns the text without escapes; bytes that are not UTF-8 become U+FFFD. */
export function unescapeText(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(escape, (whole, ...[hex, units, name]: Groups) =>
    hex !== undefined ? bytesOf(hex).toString('utf8') : (ofUnits(units) ?? byName[name ?? ''] ?? whole),
  );
}

/** Returns a request target with each escaped character percent-encoded, as a browser would send it. */
export function unescapeTarget(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(escape, (whole, ...[hex, units, name]: Groups) => {
    const bytes =
      hex !== undefined
        ? bytesOf(hex)
        : Buffer.from(ofUnits(units)?.toWellFormed() ?? byName[name ?? ''] ?? whole);
    return bytes.toString('hex').toUpperCase().replace(/../g, '%$&');
  });
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex');
}

function ofUnits(units: string | undefined): string | undefined {
  return units?.replace(/\\u(....)/g, (_unit, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
