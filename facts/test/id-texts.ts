/** For tests of placeholders: texts composed of pieces of placeholders and of similar ids. */
import fc from 'fast-check';

const words =
  'null NULL nil undefined NaN none True false guest Anonymous unknown not%20set object 0000 0 1 9f3c l d user urn uuid ' +
  '2001 db8 : :: %3A " \' ` \\ ( ) [ ] { } < > % $ # %20 %22 %7B %7d %5D + - _ / @ . é İ ı ſ \u212a 😀 \u200b \ufeff \u201c ' +
  '00000000-0000-0000-0000-000000000000';
const withBlanks = ['not set', '[object Object]', ' ', '\t', '\u00a0'];

/** Most of these are not placeholders. */
export const idTexts = fc
  .array(fc.constantFrom(...words.split(' '), ...withBlanks), { maxLength: 8 })
  .map((parts) => parts.join(''));
