/** The 95 % interval of an estimate holds the truth as often as it says, over a thousand questions. RUNS= for more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from '../inquiries.js';
import { FakeBatchView, FakeRealtimeView, show } from './fakes.js';
import { engineOver } from './server.js';

const startHour = Date.UTC(2025, 0, 30) / 3_600_000;

test('the 95 % interval of an estimate holds the truth 93 to 97 % of the time, an exact count always', async (t) => {
  const cases = Number(process.env['RUNS'] ?? 1_100);
  let estimated = 0;
  let held = 0;
  for (let seed = 0; seed < cases; seed++) {
    // One in eleven few enough to be counted; the others so many that registers are full, where the error is greatest
    // (4,000 to 40,000 at 256 registers). Spread over two layers and some hours.
    const people = seed % 11 === 0 ? (seed % 24) + 1 : Math.round(4_000 * 10 ** ((seed % 47) / 46));
    // Some come twice: with as many pageviews as people no estimate would be let be too high.
    const views = Array.from({ length: Math.ceil(people * 1.4) }, (_, i) => ({
      visitor: `s${seed}:${i % people}`,
      url: 'https://a.example.org/',
      hour: startHour + (i % 5),
    }));
    const split = seed % 2 === 0 ? people : Math.floor(people / 3);
    const batch = new FakeBatchView(views.slice(0, split), { lgK: 8 });
    const engine = engineOver({ batch, realtime: new FakeRealtimeView(batch, views.slice(split)) });
    const answer = await ask(engine, 'uniques', {
      url: 'https://a.example.org/',
      from: show(startHour),
      to: show(startHour + 5),
    });
    const { lower, upper, exact } = answer.body['accuracy'] as {
      lower: number;
      upper: number;
      exact: boolean;
    };
    const { visitors } = answer.body.data as { visitors: number };
    if (exact)
      assert.deepEqual({ visitors, lower, upper }, { visitors: people, lower: people, upper: people });
    else estimated++;
    if (!exact && lower <= people && people <= upper) held++;
  }
  t.diagnostic(`${held} of ${estimated} intervals`);
  assert.equal(estimated, cases - Math.ceil(cases / 11));
  assert.ok(held / estimated >= 0.93 && held / estimated <= 0.97, `${held} of ${estimated}`);
});
