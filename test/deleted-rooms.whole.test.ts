/** What docs/operations.md says may be deleted while the system is stopped costs a batch run and a replay, and no fact. */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from './eventually.js';
import { runBatch, startTestSystem, untilAllCounted, type TestSystem } from './running-system.js';
import { tempDir } from './temp-dir.js';

const rooms = ['serving', 'star', 'speed', 'status', 'jobs', 'batch'];
const range = 'from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z';
const questions = [
  `/v1/uniques?domain=example.org&${range}`,
  `/v1/uniques?domain=example.org&${range}&interval=hour`,
  `/v1/pageviews?url=https://www.example.org/3&${range}`,
  `/v1/pages?domain=example.org&limit=5&${range}`,
];

test('rooms that can be made again may be deleted while the system is stopped: no fact is lost, and answers are right again', async (t) => {
  const dataDir = join(tempDir('deleted'), 'data');
  const change = { dataDir, segmentBytes: 64 * 1_024, retainBatches: 1, dedupWindow: 1, sinkIntervalMs: 100 };
  const before = await startTestSystem(t, change);
  for (let run = 0; run < 3; run++) {
    await before.send(factsOf(run));
    await untilAllCounted(before);
    await runBatch(before);
  }
  await eventually('the log is trimmed', async () => {
    return Object.values(await before.system.log.earliest()).some((offset) => offset > 0);
  });
  await before.send(factsOf(3));
  await untilAllCounted(before);
  const answers = await answersOf(before);
  await before.system.stop();
  for (const room of rooms) {
    assert.ok(existsSync(join(dataDir, room)), `${room} is there to be deleted`);
    rmSync(join(dataDir, room), { recursive: true });
  }

  const after = await startTestSystem(t, change);
  await eventually('it is ready', async () => (await after.get('/readyz')).ok);
  const { freshness } = await after.ask(questions[0] ?? '');
  assert.equal(freshness['complete'], false, 'the log no longer has what the lost view held');
  await runBatch(after);
  await untilAllCounted(after);
  assert.deepEqual(await answersOf(after), answers);
});

function factsOf(run: number): object[] {
  return Array.from({ length: 700 }, (_, i) => ({
    type: 'pageview',
    visitor: `cookie:${(run * 37 + i) % 120}`,
    url: `https://www.example.org/${i % 10}`,
    timestamp: `2026-01-01T${String((run * 4 + i) % 24).padStart(2, '0')}:10:00Z`,
    eventId: `${run}-${i}`,
  }));
}

async function answersOf(swa: TestSystem): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const question of questions) {
    const response = await swa.get(question);
    const body = (await response.json()) as { readonly data: Readonly<Record<string, unknown>> };
    assert.equal(response.status, 200, `${question}: ${JSON.stringify(body)}`);
    const { next: _ofThisView, ...data } = body.data;
    answers.push(data);
  }
  return answers;
}
