import assert from 'node:assert/strict';
import { test } from 'node:test';
import { osOf } from '../dimensions/os.js';

test('an operating system is a family, whatever its version', () => {
  for (const [userAgent, os] of [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Linux'],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36',
      'Windows',
    ],
    [
      'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36',
      'Android',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1',
      'iOS',
    ],
    ['something else', undefined],
  ])
    assert.equal(osOf(userAgent ?? ''), os, userAgent);
});
