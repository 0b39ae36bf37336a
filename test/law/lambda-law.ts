/**
 * The lambda law: for every cut, batch(facts before it) merged with speed(facts after it, same mapping) equals the
 * oracle's count of all facts with that mapping: pageviews equal, sketches bit for bit; and every batch view is what the
 * oracle makes of the facts before its cut. Both layers are the real ones, over random histories (test/law/), in turn
 * with base buckets of 60, 15 and 30 minutes.
 *
 * RUNS= sets the number of histories. SEED= repeats a run, with HISTORY= one history of it; SHRINK=1 looks for the fewest
 * steps of it that still fail.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { enoughHistories, histories, type History } from './history.js';
import { fewestSteps } from './shrink.js';
import { Seen } from './seen.js';
import { severalAtOnce } from './several-at-once.js';
import { tempDirInMemory } from '../temp-dir.js';
import type { StallingCommits } from './speed-side.js';
import { LawSystem } from './system.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const widths = [60, 15, 30] as const;
/** Which history of the seed alone is to be run. */
const only = process.env['HISTORY'] === undefined ? undefined : Number(process.env['HISTORY']);

/** Declares the test. It must meet everything a history can hold from `enoughHistories` on. */
export function lambdaLaw(usualRuns: number): void {
  const runs = only === undefined ? Number(process.env['RUNS'] ?? usualRuns) : 1;
  test(`the lambda law holds in ${runs} random histories (seed ${seed})`, (t) => proveAll(t, runs));
}

async function proveAll(t: TestContext, runs: number): Promise<void> {
  const base = tempDirInMemory('law');
  const seen = new Seen();
  const all = fc
    .sample(histories, { seed, numRuns: only === undefined ? runs : only + 1 })
    .map((history, number) => ({ ...history, bucketMinutes: widths[number % widths.length] ?? 60 }));
  await severalAtOnce([...all.entries()].slice(only), ([number, history], commits) =>
    prove(t, join(base, String(number)), number, history, commits, seen),
  );
  t.diagnostic(JSON.stringify(seen));
  if (runs < enoughHistories) return;
  for (const [what, count] of Object.entries(seen.all)) assert.ok(count > 0, `no ${what} in any history`);
}

async function prove(
  t: TestContext,
  dataDir: string,
  number: number,
  history: History,
  commits: StallingCommits,
  seen: Seen,
): Promise<void> {
  try {
    await live(dataDir, history, commits, seen);
  } catch (error) {
    t.diagnostic(`failed: SEED=${seed} HISTORY=${number}`);
    if (process.env['SHRINK'] !== undefined) {
      const { history: fewest, failure } = await fewestSteps(history, (shorter) =>
        live(dataDir, shorter, commits, new Seen()),
      );
      const { steps, ...options } = fewest;
      t.diagnostic(`the fewest steps that still fail, with ${JSON.stringify(options)}:`);
      for (const step of steps) t.diagnostic(`  ${JSON.stringify(step)}`);
      t.diagnostic(failure);
    }
    throw error;
  }
}

async function live(dataDir: string, history: History, commits: StallingCommits, seen: Seen): Promise<void> {
  const system = await LawSystem.start(dataDir, history, commits, seen);
  try {
    for (const step of history.steps) await system.take(step);
    await system.finish();
  } finally {
    await system.end();
  }
}
