import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ViewId } from '../../lib/views/view.js';
import { equiv, pageview } from './facts.js';
import { Harness, until } from './harness.js';

test('a new batch view takes over with its own mapping, and the old generation is deleted', async (t) => {
  const house = new Harness(t);
  await house.append(pageview('cookie:b', 'http://example.com/'), equiv('cookie:a', 'cookie:b'));
  house.start();
  await house.untilCaughtUp('v000000-00000000' as ViewId);
  const first = house.publish(1);
  await house.append(
    pageview('cookie:b', 'http://example.com/'),
    pageview('cookie:a', 'http://example.com/'),
  );
  await house.untilCaughtUp(first);
  await until(() => !house.hasFiles('v000000-00000000' as ViewId), 'the old generation to go');
  assert.deepEqual(house.errors, []);
});
