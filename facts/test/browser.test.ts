import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserOf } from '../dimensions/browser.js';

const kit = 'AppleWebKit/537.36 (KHTML, like Gecko)';

test('a browser is a family without a version', () => {
  for (const [agent, family] of [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0', 'Firefox'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:9.0) Gecko/20100101 Firefox/9.0', 'Firefox'],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${kit} Chrome/131.0.0.0 Safari/537.36`, 'Chrome'],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${kit} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0`, 'Edge'],
    ['Mozilla/5.0 (X11; Linux x86_64)', undefined],
    ['ü', undefined],
  ] as const)
    assert.equal(browserOf(agent), family, agent);
});
