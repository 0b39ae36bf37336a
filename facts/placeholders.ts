/**
 * Placeholders: texts that trackers send instead of an id when they know none, such as `null`, `guest` or an unfilled template. Accepted as ids,
 * they would join strangers into one person.
 *
 * The list is one regular expression so that SQL uses the same one (batch/database.ts). It runs in both JavaScript and RE2: both cases of each
 * letter are listed, because case folding differs between engines and Unicode versions; it has no look-around, `\s` or `.`, and a single `$` at
 * its very end, which lets RE2 search from the end.
 */

/** Placeholders in any case. Compared with what follows the last colon, without its wrapping. */
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

/** Characters that may wrap a value: blanks, quotes and brackets, as they are or percent-encoded. */
const blanks = ' \\t\\n\\v\\f\\r\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff';
const others = '"\'`\\\\\u00ab\u00b4\u00bb\u2018-\u201f\u2039\u203a()\\[\\]<>';
const wrap = `[${blanks}${others}{}]`;
const wrapping = `(?:${wrap}|%(?:0[9AaDd]|2[02789]|3[CcEe]|5[BbCcDd]|60|7[BbDd]))*`;

const gap = '(?:[ +_-]|%20)?';
const open = '(?:\\{|%7[Bb])';
const close = '(?:\\}|%7[Dd])';
/** A percent sign that does not begin an encoded brace. */
const percent = '%(?:[^7]|7[^BbDd])';
const noBrace = `(?:[^{}%]|${percent})`;

/**
 * Endings of ids that are placeholders, without the final wrapping. An alternative that begins with wrapping must continue with another
 * character, or the search would scan the rest again from each position in it.
 */
const endings = [
  `(?:^|:|%3[Aa])${wrapping}(?:${words.map(inAnyCase).join('|')})`,
  // Objects that JavaScript turned into strings: [object Object], [object Promise].
  `(?:^|:|%3[Aa])${wrapping}${inAnyCase('object ')}[A-Za-z]+(?:\\]|%5[Dd])`,
  // An empty id, or a zero without a kind: user:0 may be a person.
  `^(?:${wrap}*0)?`,
  // A kind without a value. IP addresses may end in two colons: ip:2001:db8::
  '(?:^|[^0-9A-Fa-f:]):+',
  '[0-9A-Fa-f]:',
  '%3[Aa]',
  // Templates: ${...}, #{...}, {{...}}, <%...%>, %%...%%
  `(?:[$#]|%2[34])${open}${noBrace}*${close}`,
  `${open}${open}(?:[${blanks}${others}]|${percent})*[^${blanks}${others}{}%]${noBrace}*${close}`,
  '<%[^%>]*%>',
  '%%[^%]*%%',
];

/** Matches placeholders, in JavaScript and in RE2. */
export const placeholderPattern = `(?:${endings.join('|')})${wrapping}$`;

const placeholder = new RegExp(placeholderPattern);

/** Whether an id is a placeholder: in any case or quoting, percent-encoded or not, after any number of `kind:` prefixes. */
export function isPlaceholderId(id: string): boolean {
  const { length } = id;
  const mayBe = mayEndPlaceholder(
    id.charCodeAt(length - 3),
    id.charCodeAt(length - 2),
    id.charCodeAt(length - 1),
  );
  return mayBe && placeholder.test(id);
}

/**
 * A fast pre-check by the last three UTF-16 units or UTF-8 bytes of a text (NaN where it is shorter): false means that it is not a placeholder,
 * true that the regular expression has to decide. True for about 1 % of ids.
 */
export function mayEndPlaceholder(third: number, second: number, last: number): boolean {
  if (!(last < 0x80) || isPunctuation[last] === 1 || third === percentSign) return true;
  if (!(second < 0x80) || isPunctuation[second] === 1) return last === zero;
  return isWordEnd[pairOf(second, last)] === 1;
}

const zero = 0x30;
const percentSign = 0x25;

/** By ASCII code: whether the character may follow a placeholder's last word, or precede a zero. */
const isPunctuation = Uint8Array.from({ length: 0x80 }, (_, code) =>
  new RegExp(`${wrap}|[:%]`).test(String.fromCharCode(code)) ? 1 : 0,
);

/** By the last two characters: whether one of the words ends with them. */
const isWordEnd = new Uint8Array(0x8000);
for (const word of words) {
  const { length } = word;
  isWordEnd[pairOf(word.charCodeAt(length - 2), word.charCodeAt(length - 1))] = 1;
}

/** Index of a pair of characters, the same for both cases of letters. */
function pairOf(second: number, last: number): number {
  return ((second | 0x20) << 8) | last | 0x20;
}

/** Regular expression for a word: each letter in both cases; its blank in any spelling, or omitted. */
function inAnyCase(word: string): string {
  return word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`).replace(' ', gap);
}
