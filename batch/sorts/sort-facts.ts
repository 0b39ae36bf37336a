/**
 * Runs all sort jobs of a run in threads. Whichever thread finishes first, the output of each kind is delivered in job order, so that files are
 * written front to back, always the same.
 */
import type { FactThreads, Assignment } from '../fact-threads.js';
import { OrderedJobs, type SortedListener } from './ordered-jobs.js';
import type { SortJob } from '../arrays/sort-job.js';

/** Rejects with the first error of a job or of the listener. */
export async function sortFacts(
  threads: FactThreads,
  jobs: readonly SortJob[],
  listener: SortedListener,
): Promise<void> {
  const kinds = new Set(jobs.map(({ kind }) => kind));
  const kindsInOrder = Array.from(
    kinds,
    (kind) =>
      new OrderedJobs(
        jobs.filter((job) => job.kind === kind),
        listener,
      ),
  );
  await threads.each(() => nextJob(kindsInOrder, listener));
}

/** The next job of the first kind that can start one. */
function nextJob(kindsInOrder: readonly OrderedJobs[], listener: SortedListener): Assignment | undefined {
  for (const ordered of kindsInOrder) {
    const task = ordered.start();
    if (task === undefined) continue;
    const { job, index } = task;
    return {
      task: { type: 'sort', job },
      onRows: listener.onRows,
      onBlocks: (blocks) => ordered.addBlocks(index, blocks),
      onReply: (reply) => {
        if (reply.type === 'sorted') ordered.finish(index, reply.result);
      },
    };
  }
  return undefined;
}
