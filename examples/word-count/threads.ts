/**
 * The word count with a CPU-heavy count bolt whose tasks run on worker threads:
 *
 *   sentences --shuffle--> split --shuffle or fields(word)--> count (threads)
 *
 * With fields grouping all tuples of one word go to one task, and the counts are right. With shuffle grouping several
 * tasks update the count of one word at the same time, overwrite each other, and updates are lost (14.2.2).
 */
import { seededRandom, TopologyBuilder, type BoltModule } from '../../topology/index.js';
import { SentenceSpout } from './sentence-spout.js';
import { longestSentence, sentences, trueCounts } from './sentences.js';
import { createBolt, type SharedStore } from './shared-count-bolt.js';
import { SplitBolt } from './split-bolt.js';

export interface ThreadsOptions {
  readonly grouping: 'shuffle' | 'fields';
  /** Number of tasks of the count bolt, each on its own thread; 0 for one task on the topology's thread. */
  readonly threads: number;
  readonly sentences: number;
  /** Hashes per word, about a microsecond each. */
  readonly hashes: number;
  /** One thread ends after this many words; 0 for none. */
  readonly deathAfter: number;
}

export interface ThreadsResult {
  readonly counts: ReadonlyMap<string, number>;
  readonly trueCounts: ReadonlyMap<string, number>;
  /** Trees that failed and were replayed. */
  readonly replayed: number;
  readonly milliseconds: number;
}

export async function countOnThreads(options: ThreadsOptions): Promise<ThreadsResult> {
  const input = sentences(options.sentences);
  const truth = trueCounts(input);
  const words = [...truth.keys()];
  const store: SharedStore = {
    words,
    counts: new SharedArrayBuffer(4 * words.length),
    counted: new SharedArrayBuffer(longestSentence * input.length),
    hashes: options.hashes,
    deathAfter: new SharedArrayBuffer(4),
  };
  new Int32Array(store.deathAfter)[0] = options.deathAfter;
  const onThreads: BoltModule = { module: new URL('./shared-count-bolt.js', import.meta.url), data: store };

  const builder = new TopologyBuilder();
  builder.setSpout('sentences', () => new SentenceSpout(input, true));
  builder.setBolt('split', () => new SplitBolt()).shuffleGrouping('sentences');
  const count =
    options.threads === 0
      ? builder.setBolt('count', () => createBolt(store))
      : builder.setBolt('count', onThreads, options.threads);
  if (options.grouping === 'fields') count.fieldsGrouping('split', ['word']);
  else count.shuffleGrouping('split');
  const topology = builder.build({
    clock: Date.now,
    random: seededRandom(1),
    // Expected: the injected death. The engine has failed the thread's tuples and counted the error.
    onError: () => {},
    maxSpoutPending: 100,
    batch: 16,
  });
  const startedMs = performance.now();
  await topology.settle();
  const milliseconds = performance.now() - startedMs;
  const replayed = topology.metrics().get('sentences')?.failed ?? 0;
  topology.close();
  const counts = new Int32Array(store.counts);
  return {
    counts: new Map(words.map((word, i) => [word, counts[i] ?? 0])),
    trueCounts: truth,
    replayed,
    milliseconds,
  };
}
