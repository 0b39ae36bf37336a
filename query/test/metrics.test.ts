/** `/metrics` as Prometheus reads it: the numbers, their names, and what the alarms in the documents ask for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assetText } from '../../lib/files/assets.js';
import type { StatusEntry } from '../../lib/process/status.js';
import { FakeBatchView, FakeRealtimeView } from './fakes.js';
import { now, serve, type Layers, type TestServer } from './server.js';

const view = { visitor: 'cookie:1', url: 'https://www.example.org/', hour: 480_000 };

function entry(role: string, details: StatusEntry['details']): StatusEntry {
  const lastError = { at: now - 60_000, code: 'sink.failed', message: 'disk full' };
  return {
    role,
    worker: '3',
    pid: 1,
    host: 'h',
    pidSpace: '',
    restarts: 0,
    updatedAt: now - 2_000,
    state: 'running',
    lastError,
    details,
  };
}

const collector = entry('collector', {
  accepted: 7,
  rejected: 2,
  rejectedByField: { url: 2 },
  sites: { shop: { accepted: 5, refused: 1, ignored: { 'plausible v1.2 "x"': 3 } } },
});
const speed = entry('speed', { mappingError: { pages: 12, median: 0.25, p99: 0.5 } });

function layersOf(...status: readonly StatusEntry[]): Layers & { status: readonly StatusEntry[] } {
  const batch = new FakeBatchView([view]);
  return { batch, realtime: new FakeRealtimeView(batch, [view]), status };
}

async function scrape(server: TestServer): Promise<string> {
  return (await server.get('/metrics')).text();
}

async function read(server: TestServer, path: string): Promise<unknown> {
  return (await server.get(path)).json();
}

test('requests, generation and roles are in the metrics', async (t) => {
  const server = await serve(t, layersOf(collector));
  await server.get('/healthz');
  const text = await scrape(server);
  assert.match(text, /^swa_generation_number 1$/m);
  assert.match(
    text,
    /^swa_http_request_duration_seconds_count\{route="\/healthz",method="GET",status="200"\} 1$/m,
  );
  assert.match(text, /^swa_role_reported_seconds\{role="collector",worker="3"\} 2$/m);
  assert.match(text, /^swa_role_value\{role="collector",worker="3",name="rejectedByField.url"\} 2$/m);
});

test('facts taken and refused are counters, as the collector last said them', async (t) => {
  const layers = layersOf(collector);
  const server = await serve(t, layers);
  const again = [await scrape(server), await scrape(server)];
  for (const text of again) {
    assert.match(text, /^# TYPE swa_events_total counter$/m);
    assert.match(text, /^swa_events_total\{result="accepted",reason=""\} 7$/m);
    assert.match(text, /^swa_events_total\{result="rejected",reason="url"\} 2$/m);
    assert.match(text, /^swa_site_events_total\{site="shop",result="accepted",name=""\} 5$/m);
    assert.match(
      text,
      /^swa_site_events_total\{site="shop",result="ignored",name="plausible v1.2 \\"x\\""\} 3$/m,
    );
  }
  layers.status = [];
  assert.doesNotMatch(await scrape(server), /^swa_events_total/m);
});

test('what the last published run counted is in the metrics, repeats among it', async (t) => {
  const run = { trigger: 'command', startedAt: '', endedAt: null, view: null, error: null };
  const runs = [
    { ...run, id: '2', outcome: 'failed', counts: {} },
    { ...run, id: '1', outcome: 'published', counts: { pageviews: 5, repeats: 2 } },
  ];
  const text = await scrape(await serve(t, { ...layersOf(), runs }));
  assert.match(text, /^swa_batch_records\{kind="pageviews"\} 5$/m);
  assert.match(text, /^swa_batch_records\{kind="repeats"\} 2$/m);
});

test('what the mapping cost at the last hand-over is in the metrics, by speed worker, while the board says so', async (t) => {
  const layers = layersOf(speed);
  const server = await serve(t, layers);
  const text = await scrape(server);
  assert.match(text, /^swa_mapping_error_pages\{worker="3"\} 12$/m);
  assert.match(text, /^swa_mapping_error_ratio\{worker="3",of="median"\} 0.25$/m);
  assert.match(text, /^swa_mapping_error_ratio\{worker="3",of="p99"\} 0.5$/m);
  layers.status = [entry('speed', { mappingError: null })];
  assert.doesNotMatch(await scrape(server), /^swa_mapping_error_\w+\{/m);
});

test('the topology at work is in the metrics, by component', async (t) => {
  const counters = {
    tasks: 2,
    emitted: 9,
    executed: 5,
    acked: 4,
    failed: 1,
    timedOut: 0,
    queued: 3,
    latencyMs: 20,
  };
  const text = await scrape(await serve(t, layersOf(entry('speed', { topology: { normalize: counters } }))));
  assert.match(text, /^swa_topology_tuples\{worker="3",component="normalize",kind="acked"\} 4$/m);
  assert.match(text, /^swa_topology_tuples\{worker="3",component="normalize",kind="queued"\} 3$/m);
  assert.match(text, /^swa_topology_latency_seconds\{worker="3",component="normalize"\} 0.02$/m);
  assert.doesNotMatch(text, /swa_role_value\{.*name="topology/);
});

test('every metric is named and described as Prometheus wants it', async (t) => {
  const text = await scrape(await serve(t, layersOf(collector, speed)));
  const types = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]));
  assert.ok(types.size > 20);
  for (const [name = '', type] of types) {
    assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'), `${name} says what it is`);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|percent|kb|mb)(_|$)/, 'base units');
    assert.doesNotMatch(text, new RegExp(`^${name}\\{[^}]*quantile=`, 'm'), 'only summaries have quantiles');
  }
});

test('every metric that the documents speak of is there', async (t) => {
  const text = await scrape(await serve(t, layersOf(collector, speed)));
  const named = new Set(
    ['docs/operations.md', 'docs/api.md', 'docs/clients.md'].flatMap((path) =>
      [...assetText(path).matchAll(/\bswa_[a-z_]+[a-z]/g)].map(([name]) => name),
    ),
  );
  assert.ok(named.size > 10);
  assert.deepEqual(
    [...named].filter(
      (name) => !new RegExp(`^# TYPE ${name.replace(/_(bucket|count|sum)$/, '')} `, 'm').test(text),
    ),
    [],
  );
});

test('an erasure that takes too long is in status, readiness and metrics, with its id and step', async (t) => {
  const late = { id: 'e-1', requestedAt: now - 90_000_000, step: 'log', message: 'erasure e-1 waits' };
  const layers: Layers = layersOf();
  const well = await serve(t, layers);
  assert.deepEqual(await read(well, '/readyz'), { status: 'ok' });
  assert.doesNotMatch(await scrape(well), /^swa_erasure_overdue_seconds\{/m);
  const server = await serve(t, { ...layers, overdue: [late] });
  assert.deepEqual(await read(server, '/readyz'), { status: 'ok', problems: [late.message] });
  assert.match(await scrape(server), /^swa_erasure_overdue_seconds\{erasure="e-1",step="log"\} 90000$/m);
  const status = (await read(server, '/v1/status')) as { readonly overdueErasures: unknown };
  assert.deepEqual(status.overdueErasures, [
    { ...late, requestedAt: new Date(late.requestedAt).toISOString() },
  ]);
});
