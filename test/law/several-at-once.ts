import { StallingCommits } from './speed-side.js';

/** While one waits for its disk, its DuckDB or its commit thread, others work. */
const workers = 3;

/** Does the work for every item, a few at once, each worker with a commit thread of its own. After an error no other item is begun, and it is thrown. */
export async function severalAtOnce<T>(
  items: readonly T[],
  work: (item: T, commits: StallingCommits) => Promise<void>,
): Promise<void> {
  const queue = items.map((item) => ({ item }));
  const worker = async (): Promise<void> => {
    const commits = new StallingCommits();
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next.item, commits);
    } catch (error) {
      queue.length = 0;
      throw error;
    } finally {
      await commits.close();
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: workers }, worker));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
