/** Facts that are told again, or only look so, through the whole system: over HTTP, before and after a batch run. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { assetPath } from '../lib/files/assets.js';
import { eventually } from './eventually.js';
import { runBatch, startTestSystem, untilAllCounted, type TestSystem } from './running-system.js';

const day = 'from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:00Z';

async function countsOf(swa: TestSystem, domain: string): Promise<unknown[]> {
  const uniques = await swa.ask(`/v1/uniques?domain=${domain}&${day}`);
  const pageviews = await swa.ask(`/v1/pageviews?domain=${domain}&${day}`);
  return [uniques.data.visitors, pageviews.data.pageviews];
}

async function getJson<T>(swa: TestSystem, path: string, schema: z.ZodType<T>): Promise<T> {
  const response = await swa.get(path);
  assert.equal(response.status, 200);
  return schema.parse(await response.json());
}

const runsSchema = z.object({
  runs: z.array(z.object({ counts: z.object({ repeats: z.number().optional() }).loose() })),
});
const statusSchema = z.object({
  layers: z.array(z.object({ role: z.string(), details: z.record(z.string(), z.unknown()) })),
});

test('six pageviews of six people on six pages with one eventId all count; told again they are repeats', async (t) => {
  const swa = await startTestSystem(t);
  const lines = readFileSync(assetPath('test/oracle/repeats.ndjson'), 'utf8').trim().split('\n');
  const facts = lines.map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
  await swa.send(facts);
  await untilAllCounted(swa);
  assert.deepEqual(await countsOf(swa, 'repeat.example'), [6, 6], 'in the realtime view');
  await runBatch(swa);
  assert.deepEqual(await countsOf(swa, 'repeat.example'), [6, 6], 'in the batch view');
  await swa.send(facts);
  await untilAllCounted(swa);
  assert.deepEqual(await countsOf(swa, 'repeat.example'), [6, 6], 'told again');
  await eventually('the status board says how many repeats there were', async () => {
    const { layers } = await getJson(swa, '/v1/status', statusSchema);
    return layers.find(({ role }) => role === 'speed')?.details['repeats'] === 6 ? true : undefined;
  });
  await runBatch(swa);
  assert.deepEqual(await countsOf(swa, 'repeat.example'), [6, 6], 'told again, in the batch view');
  // A run's counts are written down after its view is published.
  const counted = await eventually('the counts of both runs', async () => {
    const { runs } = await getJson(swa, '/v1/batches', runsSchema);
    const repeats = runs.flatMap(({ counts }) => counts.repeats ?? []);
    return repeats.length === runs.length ? new Set(repeats) : undefined;
  });
  assert.deepEqual(counted, new Set([0, 6]));
});

test('an edge told again after its retraction at one timestamp joins nobody; a new one does', async (t) => {
  const swa = await startTestSystem(t);
  const timestamp = '2026-01-02T03:04:05Z';
  const edge = { a: 'cookie:a', b: 'cookie:b', timestamp };
  const views = ['cookie:a', 'cookie:b'].map((visitor) => {
    return { type: 'pageview', visitor, url: 'https://edge.example/', timestamp };
  });
  await swa.send([
    ...views,
    { type: 'equiv', ...edge, eventId: 'e1' },
    { type: 'retract', ...edge, eventId: 'e2' },
    { type: 'equiv', ...edge, eventId: 'e1' },
  ]);
  await runBatch(swa);
  assert.deepEqual(await countsOf(swa, 'edge.example'), [2, 2]);
  await swa.send([{ type: 'equiv', ...edge, eventId: 'e3' }]);
  await runBatch(swa);
  assert.deepEqual(await countsOf(swa, 'edge.example'), [1, 2]);
  const person = z.object({ data: z.object({ ids: z.array(z.string()) }).loose() });
  const { data } = await getJson(swa, '/v1/persons/cookie:b', person);
  assert.deepEqual(data.ids, ['cookie:a', 'cookie:b']);
});
