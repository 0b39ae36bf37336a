/**
 * Compares the URL rules with the URL standard: for any text, the result equals that of `whatwg-url` for the whole text, with the page rules
 * applied in the simplest way.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseURL, serializeHost } from 'whatwg-url';
import { z } from 'zod';
import { projectRoot } from '../../lib/files/assets.js';
import { domainOf } from '../url/domain.js';
import { UrlRules } from '../url/normalize.js';

const rules = new UrlRules();
const allowing = new UrlRules({ queryAllow: ['', 'a', '~', 'ü ', 'q+'] });

const bare = /[A-Za-z0-9\-._~!$&'()*+,;=:@/]/;
const unreserved = /[A-Za-z0-9\-._~]/;

/** The page, or why there is none. */
function expected(raw: string): string {
  const parsed = parseURL(raw);
  if (parsed === null) return 'unparsable';
  if (parsed.scheme !== 'http' && parsed.scheme !== 'https') return 'not-http';
  if (!Array.isArray(parsed.path)) assert.fail('an http URL has a list of segments');
  let host = serializeHost(parsed.host ?? '');
  if (host.endsWith('..')) {
    const again = parseURL(`http://${host.replace(/\.+$/, '')}/`);
    if (again === null) return 'unparsable';
    host = serializeHost(again.host ?? '');
  }
  host = host.replace(/\.$/, '');
  if (host === '') return 'unparsable';
  const port = parsed.port === null ? '' : `:${parsed.port}`;
  const spelled = parsed.path.map(spelledByByte);
  const kept = spelled.map((segment) =>
    segment
      .split(';')
      .filter((parameter, i) => i === 0 || !/^(jsessionid|sid)=/i.test(parameter))
      .join(';'),
  );
  const resolved = parseURL(`http://host/${kept.join('/')}`)?.path;
  const path = [resolved ?? []].flat().join('/').replace(/\/+$/, '');
  return `${parsed.scheme}://${host}${port}/${path}`;
}

function spelledByByte(text: string): string {
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    const escape = /^%([0-9a-f]{2})/i.exec(text.slice(i, i + 3))?.[1];
    if (escape !== undefined) {
      const decoded = String.fromCharCode(Number.parseInt(escape, 16));
      result += unreserved.test(decoded) ? decoded : `%${escape.toUpperCase()}`;
      i += 2;
    } else if (bare.test(character)) result += character;
    else result += `%${character.charCodeAt(0).toString(16).toUpperCase()}`; // the parser leaves ASCII unchanged
  }
  return result;
}

function actual(raw: string, by = rules): string {
  const result = by.normalizeNew(raw);
  return result.ok ? result.url : result.reason;
}

/** Compares reasons of refusal only for http URLs: for others `not-http` is decided first. */
function compare(raw: string): void {
  const is = actual(raw);
  const page = expected(raw);
  const isTooLong = page.startsWith('http') && domainOf(page).length > 253;
  const should = isTooLong ? 'unparsable' : page;
  if (is === 'not-http') assert.doesNotMatch(should, /^http/, JSON.stringify(raw));
  else if (is !== 'too-long') assert.equal(is, should, JSON.stringify(raw));
}

const junk = fc.constantFrom(
  '\t',
  '\n',
  '\r',
  ' ',
  '\u0000',
  '\u001f',
  '\u007f',
  '\\',
  '|',
  '^',
  '`',
  '{',
  '}',
  '"',
  '<',
  '>',
);
const odd = fc.constantFrom(
  '%',
  '%2',
  '%25',
  '%7E',
  '%7e',
  '%2e',
  '%2E',
  '%c3%a9',
  '%00',
  '%zz',
  '[',
  ']',
  '@',
  ':',
  ';',
  '&',
  '+',
);
const name = fc.oneof(
  fc.constantFrom(
    'example',
    'EXAMPLE',
    'a',
    'a-',
    '-a',
    'a_b',
    'xn--fa-hia',
    'xn--',
    'xn--a',
    'XN--FA-HIA',
    'xn--zzzzz',
    'ab--c',
    '',
  ),
  fc.constantFrom(
    'ẞ',
    'Ⴀ',
    'é',
    'É',
    'ß',
    '\u00ad',
    '\u200d',
    'א',
    'ａ',
    '。',
    '%41',
    '%C3%A9',
    '%2E',
    '%00',
    '0',
    '08',
    '0x',
    '0xg',
  ),
  fc.constantFrom('x'.repeat(63), 'x'.repeat(64), 'é'.repeat(70)),
  fc.string({ maxLength: 6 }),
);
const host = fc.oneof(
  { weight: 4, arbitrary: fc.array(name, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')) },
  fc.ipV4Extended(),
  fc.ipV6().map((ip) => `[${ip}]`),
  fc.constantFrom(
    'localhost',
    '0x7f.1',
    '0177.0.0.1',
    '1',
    '4294967295',
    '4294967296',
    '1.2.3.4.',
    '1.2.3.4..',
    '0x7f.1..',
    '256.1..',
    '.',
    '..',
    '[::1]',
    '[::ffff:1.2.3.4]',
    '[1::2::3]',
    '[::1',
    '1.2.3',
    'a.0x1',
    'a.09',
  ),
);
const port = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc.nat(70_000).map((number) => `:${number}`),
  fc.constantFrom(':', ':80', ':443', ':0080', ':000000443', ':65535', ':65536', ':8 0', ':x'),
);
const userInfo = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  fc.constantFrom('u@', 'u:p@', '@', '@@', 'u@b@', ':@', 'ü@'),
);
const segment = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    '%2e',
    '.%2E',
    '%2e%2e',
    '...',
    '.a',
    '..;sid=1',
    '.;jsessionid=x',
    '..;x',
    'a;SID=1;b',
    ';jsessionid=',
    'a;jsessionid',
    'a;sid',
    ';sid=1;sid=2',
  ),
  fc
    .array(fc.oneof(junk, odd, fc.string({ maxLength: 4 }), fc.string({ maxLength: 4, unit: 'binary' })), {
      maxLength: 4,
    })
    .map((parts) => parts.join('')),
);
const path = fc
  .tuple(fc.array(segment, { maxLength: 5 }), fc.constantFrom('/', '/', '/', '\\'))
  .map(([segments, slash]) => segments.map((part) => `${slash}${part}`).join(''));
const end = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc.constantFrom('/', '//', '/?', '?', '#', ' ', ' ?', '\t#', '?a=1&b', '#a?b', '?#'),
  fc
    .array(fc.oneof(junk, odd, fc.constantFrom('a=', '~', '&', '=', '#')), { maxLength: 6 })
    .map((parts) => `?${parts.join('')}`),
);
const scheme = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('http://', 'https://') },
  fc.constantFrom(
    'HTTP://',
    'hTTpS://',
    'http:',
    'http:/',
    'http:\\\\',
    'https:///',
    ' http://',
    '\u0000http://',
    'ht\ttp://',
    'httpſ://',
    'ws://',
    'ftp://',
    'file://',
    'mailto:',
    '//',
    '',
    'http//',
    '1http://',
  ),
);
const url = fc
  .tuple(
    scheme,
    userInfo,
    host,
    port,
    path,
    end,
    fc.option(fc.tuple(junk, fc.nat(60)), { freq: 6, nil: undefined }),
  )
  .map(([before, user, at, colon, to, after, insertion]) => {
    const whole = `${before}${user}${at}${colon}${to}${after}`;
    return insertion === undefined
      ? whole
      : `${whole.slice(0, insertion[1])}${insertion[0]}${whole.slice(insertion[1])}`;
  });

test('any text that looks like a URL means the page that the URL standard says', () => {
  fc.assert(fc.property(url, compare), { numRuns: 10_000 });
});

test('a URL that is nearly plain means the page that the URL standard says', () => {
  const piece = fc.oneof(
    fc.constantFrom('a', 'B', '/', '.', '-', 'é', '.sid=1'),
    fc.constantFrom(';', ';sid=1', '%41', '%C3', '%2e'),
    junk,
    odd,
  );
  const plainHost = fc.constantFrom(
    'example.org',
    'Example.org',
    'a.b',
    'a_b',
    '1a.b1',
    'x-.y',
    'xn--fa-hia.de',
    'localhost:3000',
    'e.org:80',
  );
  const nearlyPlain = fc
    .tuple(plainHost, fc.array(piece, { maxLength: 8 }), end)
    .map(([at, pieces, after]) => `http://${at}/${pieces.join('')}${after}`);
  fc.assert(fc.property(nearlyPlain, compare), { numRuns: 10_000 });
});

test('any text at all means the page that the URL standard says', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webUrl()), compare), {
    numRuns: 5_000,
  });
});

test('normalising is idempotent, with and without allowed parameters', () => {
  fc.assert(fc.property(url, compareToItself), { numRuns: 5_000 });
});

/** The normal form is its own normal form. */
function compareToItself(raw: string): void {
  for (const by of [rules, allowing]) {
    const first = by.normalizeNew(raw);
    if (first.ok) assert.equal(actual(first.url, by), first.url, JSON.stringify(raw));
  }
}

const tablePath = join(projectRoot, '../shared/data/urls/wpt_urltestdata.json');
const absent = existsSync(tablePath) ? false : 'no ../shared/data';
/** The table is newer than the pinned library: the standard now accepts labels like these. */
const invalidPunycode = /xn--(?:pokxncvks|\/)/i;
const tableSchema = z.array(
  z.union([
    z.string(),
    z.object({
      input: z.string(),
      base: z.string().nullable(),
      href: z.string().optional(),
      hostname: z.string().optional(),
    }),
  ]),
);

test(
  'every URL of the web platform tests means the page that the URL standard says, and is idempotent',
  { skip: absent },
  () => {
    const rows = tableSchema
      .parse(JSON.parse(readFileSync(tablePath, 'utf8')))
      .filter((row) => typeof row !== 'string');
    let [pages, refused] = [0, 0];
    for (const { input, base, href, hostname } of rows) {
      for (const raw of [input, href, base].filter((text) => typeof text === 'string')) {
        compare(raw);
        compareToItself(raw);
      }
      if (base !== null || invalidPunycode.test(input) || hostname?.endsWith('..') === true) continue;
      // Checks the table's own result, without the library.
      const isPage = href !== undefined && /^https?:/.test(href) && hostname !== '.';
      assert.equal(rules.normalizeNew(input).ok, isPage, JSON.stringify(input));
      if (isPage) pages++;
      else refused++;
    }
    assert.ok(pages > 100 && refused > 100, `${pages} pages, ${refused} refused`);
  },
);
