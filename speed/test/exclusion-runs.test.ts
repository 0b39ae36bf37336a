import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ViewId } from '../../facts/views/view.js';
import { configWith } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { ExclusionRuns } from '../exclusion-runs.js';
import { tempDir } from '../../test/temp-dir.js';

const [first, second] = ['v000001-00000000' as ViewId, 'v000002-00000000' as ViewId];

test('many exclusions ask for one run, and those that come while it runs for one more', async (t) => {
  const dataDir = tempDir('exclusion-runs');
  openDataDir(configWith({ dataDir }));
  const worker = openJobQueue(dataDir, 'batch-run', () => 7);
  t.after(() => worker.close());
  const asked = async (): Promise<number> => {
    const jobs = openJobQueue(dataDir, 'batch-run', () => 7);
    try {
      return jobs.list().length;
    } finally {
      await jobs.close();
    }
  };
  const runs = new ExclusionRuns(dataDir, () => 7);
  await runs.report(first, 0);
  assert.equal(await asked(), 0, 'nothing waits');
  for (const exclusions of [1, 1, 2, 500]) await runs.report(first, exclusions);
  assert.equal(await asked(), 1);
  await new ExclusionRuns(dataDir, () => 7).report(first, 500);
  assert.equal(await asked(), 1, 'nor does another worker, or the next process, ask again');

  const running = worker.get()?.id ?? 0;
  await runs.report(first, 500);
  assert.equal(await asked(), 1, 'what it was asked for is not asked for again');
  await runs.report(first, 501);
  assert.equal(await asked(), 2, 'this one may have come after the cut of the run');
  worker.ack(running);

  await runs.report(second, 1);
  assert.equal(await asked(), 1, 'the run that waits will have it');
  worker.ack(worker.get()?.id ?? 0);
  await runs.report(second, 1);
  assert.equal(await asked(), 0);
});
