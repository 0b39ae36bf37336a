import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxPageBytes, maxUrlBytes, UrlRules } from '../url/normalize.js';

const rules = new UrlRules();

function normal(raw: string, by = rules): string {
  const result = by.normalize(raw);
  return result.ok ? result.url : `refused: ${result.reason}`;
}

test('one page has one spelling', () => {
  const table: readonly (readonly [string, string])[] = [
    ['HTTP://Www.Example.ORG:80/a/../b/./c/', 'http://www.example.org/b/c'],
    // Plain except for their dots.
    ['https://example.org/a/../b', 'https://example.org/b'],
    ['https://example.org/a/./b', 'https://example.org/a/b'],
    ['https://example.org/a/b/..', 'https://example.org/a'],
    ['https://example.org/a/.?x=1', 'https://example.org/a'],
    ['https://example.org/..a/b.', 'https://example.org/..a/b.'],
    ['https://user:pw@example.org/x#part', 'https://example.org/x'],
    ['https://example.org', 'https://example.org/'],
    ['https://example.org//', 'https://example.org/'],
    ['https://example.org./a', 'https://example.org/a'],
    ['https://example.org..:443/a', 'https://example.org/a'],
    ['https://example.org/%7euser/%c3%a9?utm_source=x', 'https://example.org/~user/%C3%A9'],
    ['https://example.org/é', 'https://example.org/%C3%A9'],
    ['https://example.org/100%', 'https://example.org/100%25'],
    [
      'https://example.org/a|b^c`d{e}f"g<h>i[j]',
      'https://example.org/a%7Cb%5Ec%60d%7Be%7Df%22g%3Ch%3Ei%5Bj%5D',
    ],
    ['https://example.org/%7c%5E%5b%5d', 'https://example.org/%7C%5E%5B%5D'],
    ['https://example.org\\a\\b', 'https://example.org/a/b'],
    [' https://exam\tple.org/a\nb ', 'https://example.org/ab'],
    ['https://example.org/a ?x', 'https://example.org/a%20'],
    ['ftp://example.org/', 'refused: not-http'],
    ['mailto:a@example.org', 'refused: not-http'],
    ['example.org', 'refused: unparsable'],
    ['https://./', 'refused: unparsable'],
    ['https://example.org:65536/', 'refused: unparsable'],
  ];
  for (const [raw, expected] of table) assert.equal(normal(raw), expected, raw);
});

test('a reserved character and its escape are two pages', () => {
  for (const [bare, escaped] of ['$24', '&26', "'27", '(28', '+2B', ',2C', ';3B', '=3D', ':3A', '@40'].map(
    (pair) => [pair.charAt(0), `%${pair.slice(1)}`] as const,
  )) {
    assert.equal(normal(`http://e.org/a${bare}b`), `http://e.org/a${bare}b`);
    assert.equal(normal(`http://e.org/a${escaped.toLowerCase()}b`), `http://e.org/a${escaped}b`);
  }
});

test('hosts beyond ASCII have one spelling, whatever tables the runtime has', () => {
  const table: readonly (readonly [string, string])[] = [
    ['http://ẞ.example/', 'http://xn--zca.example/'],
    ['http://ß.example/', 'http://xn--zca.example/'],
    ['http://Ⴀ.example/', 'http://xn--rkj.example/'],
    ['http://B%C3%BCcher.example/', 'http://xn--bcher-kva.example/'],
    ['http://bücher.example/', 'http://xn--bcher-kva.example/'],
    ['http://президент。рф/', 'http://xn--d1abbgf6aiiy.xn--p1ai/'],
    ['http://0x7f.1/', 'http://127.0.0.1/'],
    ['http://0x7f.1../', 'http://127.0.0.1/'],
    ['http://[2001:DB8:0:0::1]:80/', 'http://[2001:db8::1]/'],
    ['http://xn--a/', 'refused: unparsable'],
  ];
  for (const [raw, expected] of table) assert.equal(normal(raw), expected, raw);
});

test('a character that older runtimes cannot normalise is in no host', () => {
  const combining = '\u{1acf}'; // Unicode 17: Node 20.19.0 would not reorder it
  assert.equal(normal(`http://a${combining}\u0323.example/`), 'refused: unparsable');
  assert.equal(normal('http://\u{105d2}.example/'), 'refused: unparsable');
  assert.equal(normal('http://a\u0301\u0323.example/'), 'http://xn--lsa752l.example/');
});

test('session ids in the path are dropped, in any case and any segment', () => {
  const table: readonly (readonly [string, string])[] = [
    ['http://e.org/a;jsessionid=1A.node2', 'http://e.org/a'],
    ['http://e.org/a;JSESSIONID=1/b;Sid=2/', 'http://e.org/a/b'],
    ['http://e.org/a;v=1;js%65ssionid=2;w', 'http://e.org/a;v=1;w'],
    ['http://e.org/;sid=1', 'http://e.org/'],
    ['http://e.org/a/..;sid=1/b', 'http://e.org/b'],
    ['http://e.org/a;side=1;sid/b', 'http://e.org/a;side=1;sid/b'],
    [`http://e.org/a;jsessionid=${'x'.repeat(10_000)}`, 'http://e.org/a'],
  ];
  for (const [raw, expected] of table) assert.equal(normal(raw), expected, raw);
});

test('only allowed query parameters are kept, in one spelling and sorted', () => {
  const allowing = new UrlRules({ queryAllow: ['page', 'id', 'q', 'größe'] });
  const table: readonly (readonly [string, string])[] = [
    ['?utm=1&page=2&id=7', '?id=7&page=2'],
    ['?q=a+b', '?q=a%20b'],
    ['?q=a%20b', '?q=a%20b'],
    ['?q=a b ', '?q=a%20b'],
    ['?q=a%2bb', '?q=a%2Bb'],
    ['?q=a/b', '?q=a%2Fb'],
    ['?q=a%2fb#q=c', '?q=a%2Fb'],
    ["?%71=%61'", '?q=a%27'],
    ['?id&q=x=y', '?id=&q=x%3Dy'],
    ['?gr%c3%b6%c3%9fe=1', '?gr%C3%B6%C3%9Fe=1'],
    ['?größe=1%', '?gr%C3%B6%C3%9Fe=1%25'],
    ['?&&utm=1', ''],
  ];
  for (const [query, expected] of table)
    assert.equal(normal(`https://e.org/${query}`, allowing), `https://e.org/${expected}`, query);
  assert.notEqual(allowing.version, rules.version);
});

const domain = (bytes: number): string => `${'b'.repeat(bytes - 4)}.org`;

test('a registrable domain has 253 bytes at most, in every spelling: so it fits the keys of realtime stores', () => {
  assert.equal(normal(`https://a.${domain(253)}.:8443/x`), `https://a.${domain(253)}:8443/x`);
  for (const raw of [
    `https://${domain(254)}/x`,
    `HTTPS://a.${domain(254)}:443/x`,
    `https://${domain(1_990)}/`,
  ])
    assert.equal(normal(raw), 'refused: unparsable', raw);
});

test('a page may have 2,048 bytes; what is dropped may be longer', () => {
  const page = `https://e.org/${'x'.repeat(maxPageBytes - 14)}`;
  assert.equal(normal(page), page);
  assert.equal(normal(`${page}x`), 'refused: too-long');
  assert.equal(normal(`https://e.org/${'é'.repeat(400)}`), 'refused: too-long');
  assert.equal(normal(`https://e.org/a?${'x'.repeat(60_000)}`), 'https://e.org/a');
  assert.equal(normal(`https://e.org/a#${'x'.repeat(60_000)}`), 'https://e.org/a');
  assert.equal(normal(`https://u:${'x'.repeat(60_000)}@e.org/a`), 'https://e.org/a');
  const prefix = 'https://e.org/a?';
  assert.equal(normal(prefix.padEnd(maxUrlBytes, 'x')), 'https://e.org/a');
  assert.equal(normal(prefix.padEnd(maxUrlBytes + 1, 'x')), 'refused: raw-too-long');
  assert.equal(normal(prefix.padEnd(maxUrlBytes / 2 + 9, 'é')), 'refused: raw-too-long');
});

test('the version names the packages that the results depend on', () => {
  assert.match(rules.version, /^3;whatwg-url=16\.\d+\.\d+;tr46=6\.\d+\.\d+;query=$/);
  assert.match(new UrlRules({ queryAllow: ['q', 'a&b'] }).version, /;query=a%26b,q$/);
});

test('cutting URLs after the part that decides the page changes no page, in any order of the texts', () => {
  const piece = fc.constantFrom(
    'https://',
    'http://Ex.com',
    '/a',
    ' ',
    '?',
    '#',
    'x=1',
    '%7c',
    '/..',
    ';sid=2',
    '\u0000',
    'é',
    '\\',
    '@',
  );
  const url = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.array(url, { maxLength: 6 }), fc.boolean(), (urls, isReversed) => {
      const bytes = Buffer.from(urls.join(''));
      let at = 0;
      const starts = Uint32Array.from(
        urls,
        (text) => (at += Buffer.byteLength(text)) - Buffer.byteLength(text),
      );
      const ends = Uint32Array.from(urls, (text, i) => (starts[i] ?? 0) + Buffer.byteLength(text));
      if (isReversed) for (const places of [starts, ends, urls]) places.reverse();
      const spans = { bytes, sizeBytes: bytes.length, starts, ends, count: urls.length };
      rules.cutToParts(spans);
      for (const [i, text] of urls.entries()) {
        const part = bytes.toString('utf8', starts[i], ends[i]);
        assert.ok(text.startsWith(part) && !/[?#]./s.test(part), part);
        assert.deepEqual(rules.normalizeNew(part), rules.normalizeNew(text), text);
      }
    }),
    { numRuns: 500 },
  );
});
