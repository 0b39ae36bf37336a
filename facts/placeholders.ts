/**
 * Placeholders: what trackers send in the place of an id when they do not know any: `null`, `guest`, an unfilled template.
 * Taken for ids, they would make one person of strangers.
 *
 * The list is one regular expression, so that SQL asks the same question without a copy of it (batch/database.ts). It is
 * written for JavaScript and RE2 alike: letters in both cases one by one, since folding differs between engines and
 * Unicode versions, no look-around, no `\s` or `.`, and one `$` at the end of it all, which lets RE2 search from the end.
 */

/** Written in any case; what counts is all that follows the last colon, without wrapping. */
const words = [
  'null',
  'nil',
  'undefined',
  'nan',
  'none',
  'true',
  'false',
  'guest',
  'anonymous',
  'unknown',
  'not set',
  '00000000-0000-0000-0000-000000000000',
  '00000000000000000000000000000000',
];

/** What may lie around a value: blanks, quotes and brackets, as they are or percent-encoded. */
const blanks = ' \\t\\n\\v\\f\\r\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff';
const others = '"\'`\\\\\u00ab\u00b4\u00bb\u2018-\u201f\u2039\u203a()\\[\\]<>';
const wrap = `[${blanks}${others}{}]`;
const wrapping = `(?:${wrap}|%(?:0[9AaDd]|2[02789]|3[CcEe]|5[BbCcDd]|60|7[BbDd]))*`;

const gap = '(?:[ +_-]|%20)?';
const open = '(?:\\{|%7[Bb])';
const close = '(?:\\}|%7[Dd])';
/** A percent sign that begins no encoded brace. */
const percent = '%(?:[^7]|7[^BbDd])';
const noBrace = `(?:[^{}%]|${percent})`;

/**
 * How an id that is a placeholder ends, before its last wrapping. What begins with wrapping continues with something else, or
 * the search would read all that follows again from each place in it.
 */
const endings = [
  `(?:^|:|%3[Aa])${wrapping}(?:${words.map(inAnyCase).join('|')})`,
  // What JavaScript makes of an object: [object Object], [object Promise].
  `(?:^|:|%3[Aa])${wrapping}${inAnyCase('object ')}[A-Za-z]+(?:\\]|%5[Dd])`,
  // Nothing, or a zero without a kind: user:0 may be a person.
  `^(?:${wrap}*0)?`,
  // A kind without a value. An address may end in two colons: ip:2001:db8::
  '(?:^|[^0-9A-Fa-f:]):+',
  '[0-9A-Fa-f]:',
  '%3[Aa]',
  // Templates: ${...}, #{...}, {{...}}, <%...%>, %%...%%
  `(?:[$#]|%2[34])${open}${noBrace}*${close}`,
  `${open}${open}(?:[${blanks}${others}]|${percent})*[^${blanks}${others}{}%]${noBrace}*${close}`,
  '<%[^%>]*%>',
  '%%[^%]*%%',
];

/** Matches a placeholder, in JavaScript and in RE2. */
export const placeholderPattern = `(?:${endings.join('|')})${wrapping}$`;

const placeholder = new RegExp(placeholderPattern);

/**
 * True for a placeholder: in any case or quoting, percent-encoded or not, after any number of `kind:` prefixes.
 */
export function isNobody(id: string): boolean {
  const { length } = id;
  const mayBe = mayEndNobody(id.charCodeAt(length - 3), id.charCodeAt(length - 2), id.charCodeAt(length - 1));
  return mayBe && placeholder.test(id);
}

/**
 * False when a text is not a placeholder, by its last three UTF-16 units or its last three bytes of UTF-8 (NaN where it
 * is shorter); true says nothing. Tells one id in a hundred to be looked at, where the expression would take longer than all else.
 */
export function mayEndNobody(third: number, second: number, last: number): boolean {
  if (!(last < 0x80) || isPunctuation[last] === 1 || third === percentSign) return true;
  if (!(second < 0x80) || isPunctuation[second] === 1) return last === zero;
  return isWordEnd[pairOf(second, last)] === 1;
}

const zero = 0x30;
const percentSign = 0x25;

/** By ASCII code: what may stand behind a placeholder's last word, or before a zero. */
const isPunctuation = Uint8Array.from({ length: 0x80 }, (_, code) =>
  new RegExp(`${wrap}|[:%]`).test(String.fromCharCode(code)) ? 1 : 0,
);

/** By the last two characters: whether one of the words ends so. */
const isWordEnd = new Uint8Array(0x8000);
for (const word of words) {
  const { length } = word;
  isWordEnd[pairOf(word.charCodeAt(length - 2), word.charCodeAt(length - 1))] = 1;
}

/** The same for letters of both cases. */
function pairOf(second: number, last: number): number {
  return ((second | 0x20) << 8) | last | 0x20;
}

/** The expression for a word: its letters in both cases; a blank in any way of writing it, or left out. */
function inAnyCase(word: string): string {
  return word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`).replace(' ', gap);
}
