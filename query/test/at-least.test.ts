/** A client that says what it has seen is answered at no older cut, by whichever query process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../test/eventually.js';
import { FakeBatchView, FakeRealtimeView } from './fakes.js';
import { serve } from './server.js';

const hour0 = 490_000;
const path = `/v1/pageviews?domain=example.org&from=${new Date(hour0 * 3_600_000).toISOString()}&to=${new Date((hour0 + 1) * 3_600_000).toISOString()}`;

test('an answer names its cut, and one that is behind what the client has seen is waited for', async (t) => {
  const batch = new FakeBatchView([{ visitor: 'v', url: 'https://example.org/', hour: hour0 }]);
  const layers = { batch, realtime: new FakeRealtimeView(batch, [], { cut: 10 }) };
  const server = await serve(t, layers);
  const older = (await server.get(path)).headers.get('Swa-Cut');
  assert.ok(older !== null);
  layers.realtime = new FakeRealtimeView(batch, [], { cut: 20 });
  const newer = await eventually('the newer cut', async () => {
    const cut = (await server.get(path)).headers.get('Swa-Cut');
    return cut === null || cut === older ? undefined : cut;
  });
  layers.realtime = new FakeRealtimeView(batch, [], { cut: 15 }); // as another process has it
  const late = setTimeout(() => (layers.realtime = new FakeRealtimeView(batch, [], { cut: 20 })), 300);
  const answer = await server.get(path, { 'Swa-At-Least': newer });
  clearTimeout(late);
  assert.deepEqual([answer.status, answer.headers.get('Swa-Cut')], [200, newer]);
  assert.equal((await server.get(path, { 'Swa-At-Least': older })).status, 200);
  const sketch = await server.get(path.replace('pageviews', 'sketch'), { 'Swa-At-Least': newer });
  assert.equal(sketch.headers.get('Swa-Cut'), newer);
});

test('what is not the cut of an answer of this log is refused by name', async (t) => {
  const batch = new FakeBatchView([]);
  const server = await serve(t, { batch, realtime: undefined });
  const own = (await server.get(path)).headers.get('Swa-Cut') ?? '';
  const others = [
    'x',
    `${own}.1`,
    own.replace(/^[^.]+/, 'other'),
    own.replace(/[^.]+$/, '-1'),
    'a'.repeat(20_000),
  ];
  for (const other of others) {
    const answer = await server.get(path, { 'Swa-At-Least': other });
    const body = (await answer.json()) as { parameter?: string };
    assert.deepEqual([answer.status, body.parameter], [400, 'Swa-At-Least'], other.slice(0, 40));
  }
});
