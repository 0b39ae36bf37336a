/**
 * Counts words in a store that all tasks share, as workers share a database: reads the count, works, writes it back.
 * Two tasks that do so with one word at the same time lose an update. Hashing stands for the work of a real bolt.
 *
 * The store also remembers which positions of the text have been counted, so a replayed sentence changes nothing.
 */
import { createHash } from 'node:crypto';
import type { Bolt, BoltOutput, TaskContext, Tuple } from '../../topology/index.js';
import type { Word } from './count-bolt.js';
import { longestSentence } from './sentences.js';

export interface SharedStore {
  /** All distinct words; a word's index is that of its counter. */
  readonly words: readonly string[];
  /** One Int32 for each word. */
  readonly counts: SharedArrayBuffer;
  /** One byte for each position of the text: 1 if it has been counted. */
  readonly counted: SharedArrayBuffer;
  /** Hashes computed per word, about a microsecond each. */
  readonly hashes: number;
  /** One Int32: the number of words after which one task ends its thread, once. 0 for never. */
  readonly deathAfter: SharedArrayBuffer;
}

export function createBolt(data: SharedStore): Bolt<Word> {
  return new SharedCountBolt(data);
}

class SharedCountBolt implements Bolt<Word> {
  private readonly counts: Int32Array;
  private readonly counted: Uint8Array;
  private readonly deathAfter: Int32Array;
  private readonly indexes: ReadonlyMap<string, number>;
  private output: BoltOutput | undefined;

  constructor(private readonly store: SharedStore) {
    this.counts = new Int32Array(store.counts);
    this.counted = new Uint8Array(store.counted);
    this.deathAfter = new Int32Array(store.deathAfter);
    this.indexes = new Map(store.words.map((word, i) => [word, i]));
  }

  prepare(_: TaskContext, output: BoltOutput): void {
    this.output = output;
  }

  execute(tuple: Tuple<Word>): void {
    const [word, number, position] = tuple.values;
    // Ends the thread as a crash in native code would. Only one task sees the counter reach 0.
    if (Atomics.sub(this.deathAfter, 0, 1) === 1) process.exit(1);
    const place = number * longestSentence + position;
    if (this.counted[place] === 0) {
      const index = this.indexes.get(word) ?? 0;
      const before = this.counts[index] ?? 0;
      this.work(word);
      this.counts[index] = before + 1;
      this.counted[place] = 1;
    }
    this.output?.ack(tuple);
  }

  private work(word: string): void {
    let text = word;
    for (let i = 0; i < this.store.hashes; i++) text = createHash('sha1').update(text).digest('hex');
  }
}
