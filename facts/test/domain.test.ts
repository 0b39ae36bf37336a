import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { projectRoot } from '../../lib/files/assets.js';
import { domainOf, domainRuleVersion } from '../url/domain.js';
import { UrlRules } from '../url/normalize.js';

const rules = new UrlRules();

function domain(url: string): string {
  const result = rules.normalize(url);
  return result.ok ? domainOf(result.url) : `refused: ${result.reason}`;
}

test('the domain is the registrable one, private suffixes included', () => {
  const table: readonly (readonly [string, string])[] = [
    ['https://blog.example.co.uk/x', 'example.co.uk'],
    ['https://someone.github.io/', 'someone.github.io'],
    ['https://a.b.someone.github.io./', 'someone.github.io'],
    ['https://github.io/', 'github.io'],
    ['https://www.Bücher.example/', 'xn--bcher-kva.example'],
  ];
  for (const [url, expected] of table) assert.equal(domain(url), expected, url);
});

test('IPs, localhost and what no one can register stand for themselves', () => {
  const table: readonly (readonly [string, string])[] = [
    ['http://192.0.2.7:8080/', '192.0.2.7'],
    ['http://0xc0000207/', '192.0.2.7'],
    ['http://[2001:db8::1]:8080/', '[2001:db8::1]'],
    ['http://[2001:db8::1]/', '[2001:db8::1]'],
    ['http://localhost:3000/', 'localhost'],
    ['http://intranet/', 'intranet'],
    ['http://com/', 'com'],
    ['http://.example.com/', '.example.com'],
    ['http://a..example.com/', 'a..example.com'],
  ];
  for (const [url, expected] of table) assert.equal(domain(url), expected, url);
});

test('a host that is not a strict DNS name has a domain all the same', () => {
  const table: readonly (readonly [string, string])[] = [
    ['https://foo-.blogsite.com/', 'blogsite.com'],
    ['https://-foo.blogsite.com/', 'blogsite.com'],
    ['https://a_b.example.org/', 'example.org'],
    ['https://_dmarc.example.org/', 'example.org'],
    ['https://www.foo-.com/', 'foo-.com'],
    ['https://a!b.example.org/', 'example.org'],
    ['https://a*b~.example.org/', 'example.org'],
    [`https://${'x'.repeat(64)}.example.org/`, 'example.org'],
    [`https://${'x.'.repeat(200)}example.org/`, 'example.org'],
    ['https://a-.xn--55qx5d.cn/', 'a-.xn--55qx5d.cn'],
    ['https://b.a-.xn--55qx5d.cn/', 'a-.xn--55qx5d.cn'],
  ];
  for (const [url, expected] of table) assert.equal(domain(url), expected, url);
});

test('a domain is its own domain, and the end of every host that it is the domain of', () => {
  const label = fc.oneof(
    fc.constantFrom(
      'a',
      'www',
      '-',
      'a-',
      '_',
      'com',
      'co',
      'uk',
      'github',
      'io',
      'ck',
      'kobe',
      'jp',
      '',
      '1',
      'ß',
      'xn--p1ai',
    ),
    fc.string({ maxLength: 5 }),
  );
  const url = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => `http://${labels.join('.')}/`);
  fc.assert(
    fc.property(url, (raw) => {
      const normalized = rules.normalize(raw);
      fc.pre(normalized.ok);
      const name = domainOf(normalized.url);
      assert.equal(domain(`http://${name}/`), name);
      assert.ok(`.${normalized.url.slice('http://'.length)}`.includes(`.${name}`), normalized.url);
    }),
    { numRuns: 5_000 },
  );
});

const lists = join(projectRoot, '../shared/data/urls');
const absent = existsSync(lists) ? false : 'no ../shared/data';

/** [host, registrable domain or null] from the public suffix list's own tests. */
function publicCases(): [string, string | null][] {
  const cases: [string, string | null][] = [];
  for (const [, host, expected] of readFileSync(join(lists, 'psl_test_psl.txt'), 'utf8').matchAll(
    /^checkPublicSuffix\('(.+)', (?:'(.+)'|null)\);$/gm,
  ))
    cases.push([host ?? '', expected ?? null]);
  for (const line of readFileSync(join(lists, 'psl_tests.txt'), 'utf8').split('\n')) {
    const [host, expected] = line.split(' ');
    if (host === undefined || expected === undefined || host === '//' || host === 'null') continue;
    cases.push([host, expected === 'null' ? null : expected]);
  }
  return cases.filter(([host]) => !host.startsWith('//'));
}

test(
  "the public suffix list's own cases: a name without registrable domain stands for itself",
  { skip: absent },
  () => {
    const cases = publicCases();
    assert.ok(cases.length > 150, `${cases.length} cases`);
    for (const [host, expected] of cases)
      assert.equal(domain(`http://${host}/`), hostIn(expected ?? host), host);
  },
);

function hostIn(name: string): string {
  const result = rules.normalize(`http://${name}/`);
  assert.ok(result.ok, name);
  return result.url.slice('http://'.length, -1);
}

test('the version names the list', () => {
  assert.match(domainRuleVersion, /^2;tldts=7\.\d+\.\d+$/);
});
