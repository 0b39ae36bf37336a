import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceOf } from '../dimensions/device.js';

test('a device is of a kind, a desktop where a system is known and nothing else is named', () => {
  for (const [userAgent, device] of [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'desktop'],
    [
      'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36',
      'mobile',
    ],
    [
      'Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1',
      'tablet',
    ],
    ['something else', undefined],
  ])
    assert.equal(deviceOf(userAgent ?? ''), device, userAgent);
});
