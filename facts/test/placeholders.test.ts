import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPlaceholderId, mayEndPlaceholder, placeholderPattern } from '../placeholders.js';
import { idTexts } from './id-texts.js';

const words = ['null', 'nil', 'undefined', 'NaN', 'none', 'true', 'false', 'guest', 'anonymous', 'unknown'];
const zeros = '0'.repeat(32);
const nilUuid = '00000000-0000-0000-0000-000000000000';

function requireAll(texts: readonly string[], expected: boolean): void {
  assert.deepEqual(
    texts.filter((text) => isPlaceholderId(text) !== expected),
    [],
  );
}

test('a placeholder is one in any case and quoting, after any number of kinds', () => {
  const bare = [...words, '(null)', '[object Object]', '(not set)', nilUuid, zeros, '${id}', '{{ user.id }}'];
  const ways = [
    (text: string) => text,
    (text: string) => text.toUpperCase(),
    (text: string) => text.toLowerCase(),
    (text: string) => `"${text}"`,
    (text: string) => `'${text}'`,
    (text: string) => `\`${text}\``,
    (text: string) => `\\"${text}\\"`,
    (text: string) => ` \t${text}\u00a0`,
    (text: string) => `\u201c${text}\u201d`,
    (text: string) => `user:${text}`,
    (text: string) => `user: "${text}"`,
    (text: string) => `"user:${text}"`,
    (text: string) => `"user":"${text}"`,
    (text: string) => `a:b:${text}`,
    (text: string) => `12:b::${text}`,
    (text: string) => encodeURIComponent(`user:"${text}"`),
  ];
  for (const way of ways) requireAll(bare.map(way), true);
});

test('nothing is a placeholder: an empty text, blanks, quotes, a kind without a value', () => {
  requireAll(['', ' ', '\u00a0', '""', "''", '()', '{}', '[]', '%22%22', ':', '::'], true);
  requireAll(['user:', 'user: ', 'user:""', 'user::', 'a:b:', 'face:', 'ip:::', 'user%3A'], true);
});

test('zero is a placeholder without a kind only', () => {
  requireAll(['0', '"0"', ' 0 ', '(0)'], true);
  requireAll(['user:0', '"user:0"', 'a:b:0', '00', '-0', '0.0', 'cookie:00000'], false);
});

test('the nil UUID and all zeros are placeholders in every way of writing them', () => {
  const ways = [nilUuid, `{${nilUuid}}`, `(${nilUuid})`, `urn:uuid:${nilUuid}`, `idfa:${nilUuid}`];
  requireAll([...ways, `IDFA:${nilUuid}`, `gaid:{${nilUuid}}`, `idfa:${zeros}`], true);
  requireAll([nilUuid.replace(/0$/, '1'), zeros.slice(1), `${zeros}1`, `1${zeros}`, `a:1${zeros}`], false);
});

test('an unfilled template at the end of an id is a placeholder', () => {
  const templates = [
    '${}',
    '${user.id}',
    '#{id}',
    '{{id}}',
    '{{{id}}}',
    '{{ a | b }}',
    '{{ имя }}',
    '{{%20id%20}}',
  ];
  const others = ['<%= id %>', '%%USER_ID%%', '%7B%7Bid%7D%7D', '%24%7Bid%7D', '{{1a}}'];
  requireAll(
    [...templates, ...others].flatMap((text) => [text, `user:${text}`, `user-${text}`]),
    true,
  );
  requireAll(['{id}', '{9f3c12}', '$id', '{{id}}-7', 'a}}'], false);
});

test('an object turned into a string by JavaScript is a placeholder', () => {
  requireAll(
    ['[object Object]', '[object object]', '[object Promise]', 'a:[object Null]', '[OBJECT OBJECT]'],
    true,
  );
  requireAll(['object Object', 'object:7', '[object]', 'user:[object 7]'], false);
});

test('an id that only looks like a placeholder is an id', () => {
  requireAll(
    words.flatMap((word) => [`${word}s`, `x${word}`, `${word}1`, `${word}:1`, `u:${word}.7`]),
    false,
  );
  requireAll(
    ['guest@example.org', 'email:unknown@example.org', 'null-and-void', 'user:none/such', 'nan a'],
    false,
  );
  requireAll(
    ['cookie:9f3c00', 'ip:192.0.2.100', 'ip:2001:db8::', 'ip:fe80::1', 'ip:::1', 'ip:64:ff9b::'],
    false,
  );
  requireAll(['user:42', 'a', '-1', 'nul', 'undefine'], false);
});

test('letters are compared as ASCII, without Unicode case folding', () => {
  // With some kind of case folding, each of them would be a placeholder.
  requireAll(['UN\u212aNOWN', 'gue\u017ft', 'n\u0131l', 'N\u0130L', '\uff4eull', 'nu\u029fl'], false);
  assert.doesNotMatch(placeholderPattern, /\(\?[^:]|\\[sdwbB]|\.(?![\\\]])/u);
});

test('the pre-check of the end of a text, or of its bytes, misses no placeholder', () => {
  const pattern = new RegExp(placeholderPattern);
  let placeholders = 0;
  fc.assert(
    fc.property(idTexts, (text) => {
      const expected = pattern.test(text);
      if (expected) placeholders++;
      assert.equal(isPlaceholderId(text), expected);
      const bytes = Buffer.from(text);
      const at = (back: number): number => bytes[bytes.length - back] ?? Number.NaN;
      if (expected) assert.ok(mayEndPlaceholder(at(3), at(2), at(1)));
    }),
    { numRuns: Number(process.env['RUNS'] ?? 20_000) },
  );
  assert.ok(placeholders > 1_000, `only ${placeholders} placeholders`);
});
