/**
 * Two speed workers as processes of their own on one data directory, killed again and again at random moments, also
 * while a hand-over runs. At sampled moments and at the end the realtime view must equal the oracle at the cut it names,
 * and no cut may lie behind an earlier one. RUNS= makes more rounds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SpeedCluster } from './speed-cluster.js';

const rounds = Number(process.env['RUNS'] ?? 12);
const workers = 2;
const handOverEvery = 3;
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test(`${workers} speed workers, ${rounds} kills: the realtime view is the oracle's at every cut, and none goes back (seed ${seed})`, async (t) => {
  const cluster = await SpeedCluster.open(t, {
    seed,
    change: {},
    envOf: (worker) => ({ SWA_SPEED_WORKERS: String(workers), SWA_SPEED_WORKER: String(worker) }),
    feedEveryMs: 15,
  });
  for (let worker = 0; worker < workers; worker++) cluster.start(worker);
  await cluster.untilServing(undefined);
  for (let round = 1; round <= rounds; round++) {
    const handsOver = round % handOverEvery === 0;
    const cut = cluster.ledger.end();
    if (handsOver) await cluster.untilPast(cut);
    const view = handsOver ? await cluster.publish(round, cut) : undefined;
    if (view !== undefined) await cluster.untilNext(view);
    const victim = handsOver ? 0 : Math.floor(cluster.random() * workers);
    if (!handsOver && cluster.random() < 0.7) await cluster.untilReached(cut); // else perhaps while one is starting
    await delay(cluster.random() * (handsOver ? 80 : 400));
    await cluster.kill(victim);
    cluster.compare();
    cluster.start(victim);
    if (view !== undefined) await cluster.untilServing(view);
    cluster.compare();
  }
  await cluster.stopFeeding();
  await cluster.untilEqualAtEnd();
  assert.ok(cluster.compared > rounds, `${cluster.compared} comparisons`);
  await cluster.stopWorkers();
});
