/** Exclusions in the whole system: they wait, ask for a run by themselves, and are then in no answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from './eventually.js';
import { startTestSystem, untilAllCounted } from './running-system.js';

const day = Date.UTC(2026, 4, 10);
const question = '/v1/pageviews?domain=example.org&from=2026-05-10&to=2026-05-11';

const view = (i: number, change: object = {}): object => ({
  type: 'pageview',
  visitor: `cookie:${i % 4}`,
  url: `https://example.org/${i % 2 === 0 ? 'a' : 'b'}`,
  timestamp: day + i * 60_000,
  eventId: `e${i}`,
  ...change,
});

test('what is excluded is in no answer after the run it starts, also when it comes later, and comes back', async (t) => {
  const swa = await startTestSystem(t);
  const pageviews = async (): Promise<number | undefined> => (await swa.ask(question)).data.pageviews;
  const until = (expected: number): Promise<true> =>
    eventually(`${expected} pageviews, without anybody asking for a run`, async () =>
      (await pageviews()) === expected ? true : undefined,
    );
  await swa.send(Array.from({ length: 12 }, (_, i) => view(i)));
  await untilAllCounted(swa);
  assert.equal(await pageviews(), 12);

  const exclusion = { by: 'urlPrefix', value: 'https://example.org/a' };
  await swa.send([
    { type: 'exclude', ...exclusion },
    { type: 'exclude', by: 'visitor', value: 'cookie:3' },
  ]);
  await until(3);
  await eventually('the speed layer has taken over to the new view', async () => {
    const { accuracy, freshness } = await swa.ask(question);
    return freshness.realtime !== null && accuracy['waitingExclusions'] === 0 ? true : undefined;
  });
  const runs = (await (await swa.get('/v1/batches')).json()) as {
    runs: { trigger: string; counts: Record<string, number> }[];
  };
  assert.equal(runs.runs.at(0)?.counts['excludedPageviews'], 9);
  assert.equal(runs.runs.at(0)?.counts['liveExclusions'], 2);
  assert.ok(runs.runs.length <= 2, `two exclusions at once asked for ${runs.runs.length} runs`);

  await swa.send([view(12), view(13), view(15)]);
  await untilAllCounted(swa);
  assert.equal(await pageviews(), 4, 'of the later ones the speed layer counts the one that is not excluded');

  await swa.send([{ type: 'include', ...exclusion }]);
  await until(4 + 6 + 1);
});
