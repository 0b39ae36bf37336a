/**
 * Answers read by other people's programs: pandas, Arrow and DuckDB in Python, and the DataSketches library. They are
 * installed with
 *     python3 -m venv test/clients/target && test/clients/target/bin/pip install -r test/clients/requirements.txt
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { z } from 'zod';
import { assetPath } from '../lib/files/assets.js';
import { hourMs } from '../lib/time/buckets.js';
import { eventually } from './eventually.js';
import { startTestSystem, type TestSystem } from './running-system.js';
import { venvProgram } from './venv.js';

const { path: python, skip } = venvProgram('test/clients', 'python3', 'Python clients');

const readSchema = z.object({
  arrow: z.object({
    types: z.record(z.string(), z.string()),
    from: z.array(z.string()),
    visitors: z.array(z.number()),
    total: z.number(),
    duckdb: z.tuple([z.number(), z.number()]),
  }),
  csv: z.object({
    types: z.record(z.string(), z.string()),
    visitors: z.array(z.number()),
    duckdb: z.record(z.string(), z.string()),
  }),
  sketches: z.array(z.object({ estimate: z.number(), union: z.number(), unionWithoutUs: z.number() })),
});

const site = 'https://www.example.org';
const startMs = Date.UTC(2026, 2, 1, 9);
const range = 'from=2026-03-01T09:00:00Z&to=2026-03-01T15:00:00Z';
/** One person; coupons in a list, in a set, and registers. */
const pages = [1, 7, 1_500, 9_000];

test('pandas, DuckDB and DataSketches read the answers', { skip }, async (t) => {
  const swa = await startTestSystem(t);
  for (const people of pages) await sendPeople(swa, people);
  await eventually('all facts are in the answers', async () => {
    const { data } = await swa.ask(`/v1/pageviews?domain=example.org&${range}`);
    return data.pageviews === pages.reduce((sum, people) => sum + people, 0) ? true : undefined;
  });
  const path = `/v1/uniques?domain=example.org&${range}&interval=hour`;
  const { data } = await swa.ask(path);
  const answers = data.series?.map(({ visitors }) => visitors);
  const read = await readWithPython(swa.system.origin, path);

  const { arrow, csv } = read;
  assert.deepEqual(arrow.types, typesWith('datetime64[ms, UTC]', 'str', 'int64', 'bool'));
  assert.deepEqual(
    arrow.from.map((at) => Date.parse(at)),
    [0, 1, 2, 3, 4, 5].map((hour) => startMs + hour * hourMs),
  );
  assert.deepEqual(arrow.visitors, answers);
  assert.equal(arrow.total, data.visitors);
  assert.deepEqual(arrow.duckdb, [answers?.reduce((sum = 0, n = 0) => sum + n, 0), 6]);

  assert.deepEqual(csv.types, typesWith('datetime64[us, UTC]', 'str', 'int64', 'bool'));
  assert.deepEqual(csv.visitors, answers);
  const time = 'TIMESTAMP WITH TIME ZONE';
  assert.deepEqual(csv.duckdb, typesWith(time, time, 'BIGINT', 'BOOLEAN'));

  for (const [i, { estimate, union, unionWithoutUs }] of read.sketches.entries()) {
    const people = pages[i] ?? 0;
    // The standard error at lgK 14; while coupons are kept the libraries add what may have collided.
    const error = people <= 1_536 ? 0.01 : people * 0.0082;
    assert.ok(Math.abs(estimate - people) <= 3 * error, `${people} people are ${estimate}`);
    const { data: ours } = await swa.ask(`/v1/uniques?url=${site}/${people}&${range}`);
    assert.ok(Math.abs(estimate - (ours.visitors ?? 0)) <= error, `${estimate}, ours ${ours.visitors}`);
    assert.equal(union, unionWithoutUs, `${people} people and others, to the last digit`);
  }
});

/** The columns of a series of uniques. */
function typesWith(time: string, label: string, count: string, flag: string): Record<string, string> {
  return { from: time, to: time, label, visitors: count, lower: count, upper: count, exact: flag };
}

/** So many people, spread over six hours, on a page named by their number. */
async function sendPeople(swa: TestSystem, people: number): Promise<void> {
  const facts = Array.from({ length: people }, (_, i) => ({
    type: 'pageview',
    visitor: `cookie:${i}`,
    url: `${site}/${people}`,
    timestamp: startMs + (i % 6) * hourMs,
  }));
  for (let at = 0; at < people; at += 5_000) await swa.send(facts.slice(at, at + 5_000));
}

async function readWithPython(origin: string, series: string): Promise<z.infer<typeof readSchema>> {
  const sketches = pages.map((people) => [`/v1/sketch?url=${site}/${people}&${range}`, people]);
  const script = assetPath('test/clients/read.py');
  const { stdout } = await promisify(execFile)(python, [script, origin, series, JSON.stringify(sketches)]);
  return readSchema.parse(JSON.parse(stdout));
}
