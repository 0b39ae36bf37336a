import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { domainOf } from '../url/domain.js';
import { UrlRules } from '../url/normalize.js';

const rules = new UrlRules();

function normal(raw: string, with_ = rules): string {
  const result = with_.normalize(raw);
  return result.ok ? result.url : `refused: ${result.reason}`;
}

test('one page has one spelling', () => {
  const table: readonly (readonly [string, string])[] = [
    ['HTTP://Www.Example.ORG:80/a/../b/./c/', 'http://www.example.org/b/c'],
    ['https://user:pw@example.org/x#part', 'https://example.org/x'],
    ['https://example.org', 'https://example.org/'],
    ['https://example.org//', 'https://example.org/'],
    ['https://example.org/%7euser/%c3%a9?utm_source=x', 'https://example.org/~user/%C3%A9'],
    ['https://example.org/100%', 'https://example.org/100%25'],
    ['ftp://example.org/', 'refused: not-http'],
    ['example.org', 'refused: unparsable'],
    [`https://example.org/${'x'.repeat(2048)}`, 'refused: too-long'],
  ];
  for (const [raw, expected] of table) assert.equal(normal(raw), expected, raw);
});

test('only allowed query parameters are kept, sorted', () => {
  const allowing = new UrlRules({ queryAllow: ['page', 'id'] });
  assert.equal(normal('https://e.org/?utm=1&page=2&id=7', allowing), 'https://e.org/?id=7&page=2');
  assert.notEqual(allowing.version, rules.version);
});

test('normalising is idempotent', () => {
  const piece = fc.oneof(
    fc.constantFrom('%', '%2', '%25', '%7E', '%2e', '..', '.', '/', '//', '?', '#', 'é', '&', '='),
    fc.string(),
  );
  const allowing = new UrlRules({ queryAllow: ['', 'a', '~'] });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const first = allowing.normalize(`https://example.org/${pieces.join('')}`);
      fc.pre(first.ok);
      assert.equal(normal(first.url, allowing), first.url);
    }),
    { numRuns: 2000 },
  );
});

test('the domain is the registrable one, private suffixes included', () => {
  assert.equal(domainOf('https://blog.example.co.uk/x'), 'example.co.uk');
  assert.equal(domainOf('https://someone.github.io/'), 'someone.github.io');
  assert.equal(domainOf('http://192.0.2.7:8080/'), '192.0.2.7');
  assert.equal(domainOf('http://localhost:3000/'), 'localhost');
});
