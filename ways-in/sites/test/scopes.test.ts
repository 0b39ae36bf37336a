/** Which pages and domains belong to sites whose visitors are only identified within a day. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DayScopes, rememberDayScope } from '../scopes.js';
import { tempDir } from '../../../test/temp-dir.js';

test('a domain’s scope is that of what is counted in it, and stays when the site’s choice changes', () => {
  const path = join(tempDir('scopes'), 'day-scope.json');
  let now = 0;
  const scopes = new DayScopes(path, () => now);
  const page = (url: string): boolean => scopes.isDay({ kind: 'page', url });
  const domain = (name: string): boolean => scopes.isDay({ kind: 'domain', domain: name });
  assert.equal(domain('shop.example'), false);
  rememberDayScope(path, ['shop.example', 'blog.news.example']);
  assert.equal(domain('shop.example'), false, 'it looks once a second');
  now = 1_000;
  assert.deepEqual(
    [domain('shop.example'), domain('news.example'), domain('hop.example')],
    [true, true, false],
  );
  assert.deepEqual(
    [
      'https://www.shop.example/a',
      'https://blog.news.example/',
      'https://news.example/',
      'https://xshop.example/',
    ].map(page),
    [true, true, false, false],
  );
  rememberDayScope(path, []);
  now = 2_000;
  assert.equal(domain('shop.example'), true);
});
