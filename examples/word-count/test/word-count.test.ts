/** Tests the guarantees of the three deliveries for any seed, and that the page in docs shows real output. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { assetText } from '../../../lib/files/assets.js';
import { countOnThreads } from '../threads.js';
import { failures, runWordCount } from '../word-count.js';
import type { Delivery, Failure, WordCountResult } from '../word-count.js';

const main = fileURLToPath(new URL('../main.js', import.meta.url));

function forAnySeed(delivery: Delivery, failure: Failure, check: (result: WordCountResult) => void): void {
  const run = (seed: number): void => check(runWordCount({ delivery, failure, sentences: 200, seed }));
  fc.assert(fc.property(fc.nat(), run), { numRuns: 10 });
}

function totalOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

for (const failure of failures) {
  test(`exactly-once, failures ${failure}: every count is right and every tree is acked`, () => {
    forAnySeed('exactly-once', failure, ({ counts, trueCounts, metrics }) => {
      assert.deepEqual(counts, trueCounts);
      assert.equal(metrics.get('sentences')?.acked, 200);
    });
  });

  test(`at-least-once, failures ${failure}: no count is too low, every tree is acked`, () => {
    forAnySeed('at-least-once', failure, ({ counts, trueCounts, metrics }) => {
      for (const [word, truly] of trueCounts) assert.ok((counts.get(word) ?? 0) >= truly, word);
      assert.equal(metrics.get('sentences')?.acked, 200);
      const replayed = metrics.get('sentences')?.failed ?? 0;
      assert.equal(replayed > 0, failure !== 'none');
    });
  });

  test(`at-most-once, failures ${failure}: no count is too high, nothing is replayed`, () => {
    forAnySeed('at-most-once', failure, ({ counts, trueCounts, metrics }) => {
      for (const [word, truly] of trueCounts) assert.ok((counts.get(word) ?? 0) <= truly, word);
      assert.equal(metrics.get('sentences')?.emitted, 200);
      assert.equal(totalOf(counts) < totalOf(trueCounts), failure === 'crash');
    });
  });
}

test('the runs in docs/guaranteed-processing.md are what the commands in it print', () => {
  const page = assetText('docs/guaranteed-processing.md');
  const blocks = [...page.matchAll(/```\n\$ node dist\/examples\/word-count\/main\.js(.*)\n([^`]*)```/g)];
  assert.ok(blocks.length >= 5);
  for (const [, args = '', shown] of blocks) {
    const { stdout } = spawnSync(process.execPath, [main, ...args.trim().split(/ +/)], { encoding: 'utf8' });
    assert.equal(shown, stdout, args);
  }
});

const onThreads = { threads: 2, sentences: 400, hashes: 100, deathAfter: 0 } as const;

test('on threads: fields grouping counts right, shuffle grouping loses updates of a shared store', async () => {
  const byFields = await countOnThreads({ ...onThreads, grouping: 'fields' });
  assert.deepEqual(byFields.counts, byFields.trueCounts);
  const byShuffle = await countOnThreads({ ...onThreads, grouping: 'shuffle' });
  assert.ok(totalOf(byShuffle.counts) < totalOf(byShuffle.trueCounts));
});

test('on threads: the trees of a thread that dies are replayed, and the counts are right', async () => {
  const result = await countOnThreads({ ...onThreads, grouping: 'fields', deathAfter: 500 });
  assert.ok(result.replayed > 0);
  assert.deepEqual(result.counts, result.trueCounts);
});

test('a wrong argument is refused with the values allowed', () => {
  const { status, stderr } = spawnSync(process.execPath, [main, '--failures', 'fire'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.equal(stderr, 'word-count: --failures fire: must be one of none, crash, fail, slow\n');
});
