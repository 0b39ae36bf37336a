/** The sites file: errors name the site and the field. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { UrlRules } from '../../../facts/url/normalize.js';
import { SwaError } from '../../../lib/errors/errors.js';
import { readSites } from '../site.js';
import { news, shop } from './serving.js';
import { tempDir } from '../../../test/temp-dir.js';

test('a file that cannot be used is refused, naming what is wrong', () => {
  const dir = tempDir('sites');
  const path = join(dir, 'sites.json');
  const cases: (readonly [unknown, RegExp])[] = [
    ['{', /is not JSON/],
    [{}, /sites/],
    [{ sites: [] }, /sites must hold at least one site/],
    [{ sites: [{ ...shop, domains: [] }] }, /sites\.0\.domains must name at least one domain/],
    [{ sites: [{ ...shop, key: 'short' }] }, /sites\.0\.key must be 8 to 128 .*"short"/],
    [{ sites: [{ ...shop, visitors: 'cookies' }] }, /sites\.0\.visitors .*"cookies"/],
    [
      { sites: [{ ...shop, secret: 'tiny secret' }] },
      /sites\.0\.secret must have at least 16 characters, got a value that is not shown/,
    ],
    [{ sites: [{ ...shop, domain: 'x' }] }, /"domain"/],
    [{ sites: [shop, { ...news, name: 'shop' }] }, /two sites 'shop'/],
    [{ sites: [shop, { ...news, key: shop.key }] }, /the key of site 'news' twice/],
    [{ sites: [{ ...shop, trackers: { matomo: ['1'] } }] }, /sites\.0\.trackers .*"matomo"/],
    [{ sites: [{ ...shop, trackers: { umami: [''] } }] }, /sites\.0\.trackers\.umami\.0 must not be empty/],
    [
      {
        sites: [
          { ...shop, trackers: { umami: ['w'] } },
          { ...news, trackers: { umami: ['x', 'w'] } },
        ],
      },
      /trackers\.umami of site 'news' has "w", which site 'shop' has already/,
    ],
    [{ sites: [{ ...shop, domains: ['com'] }] }, /under which anybody can register/],
    [{ sites: [{ ...shop, domains: ['github.io'] }] }, /under which anybody can register/],
    ...['https://shop.example', 'shop.example/x', 'shop.example:8080', '', 'a b', 'x@y.example'].map(
      (domain) => [{ sites: [{ ...shop, domains: [domain] }] }, /not a host name/] as const,
    ),
  ];
  for (const [content, message] of cases) {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    assert.throws(
      () => readSites(path, new UrlRules()),
      (error) => error instanceof SwaError && error.code === 'config.invalid' && message.test(error.message),
      `${JSON.stringify(content)}: ${String(message)}`,
    );
  }
  assert.throws(() => readSites(join(dir, 'none.json'), new UrlRules()), /cannot be read \(ENOENT\)/);
});

test('a domain covers its subdomains, in any spelling; the closest site has a page', () => {
  const dir = tempDir('sites');
  const path = join(dir, 'sites.json');
  const inner = {
    ...news,
    name: 'inner',
    key: 'inner-key-1',
    domains: ['blog.shop.example', 'BÜCHER.example', '[::1]'],
  };
  writeFileSync(path, JSON.stringify({ sites: [shop, inner] }));
  const sites = readSites(path, new UrlRules());
  const names = [
    'https://shop.example',
    'http://www.shop.example:8080/x',
    'https://a.blog.shop.example/',
    'https://xn--bcher-kva.example',
    'http://[::1]:3000',
    'https://xshop.example',
    'https://example',
    'null',
    '',
  ].map((url) => sites.byUrl(url)?.name);
  assert.deepEqual(names, [
    'shop',
    'shop',
    'inner',
    'inner',
    'inner',
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('visitors are told apart for a day where a site says so, and where its clients keep no id', () => {
  const path = join(tempDir('sites'), 'sites.json');
  const scopesOf = (site: object): readonly string[] => {
    writeFileSync(path, JSON.stringify({ sites: [{ ...news, domains: ['news.example'], ...site }] }));
    return readSites(path, new UrlRules()).dayScopeDomains;
  };
  assert.deepEqual(scopesOf({}), []);
  assert.deepEqual(scopesOf({ trackers: { segment: ['w'] } }), []);
  assert.deepEqual(scopesOf({ trackers: { plausible: ['w'] } }), ['news.example']);
  assert.deepEqual(scopesOf({ trackers: { goatcounter: true } }), ['news.example']);
  assert.deepEqual(scopesOf({ visitors: 'cookieless' }), ['news.example']);
});
