/**
 * Detects repeats (facts/repeat.ts) among the pageviews of one partition, with its deduplication window.
 *
 * The window must see each countable pageview once, in log order, but the topology may process a record several times when an epoch is replayed.
 * So the window's results are kept until the epoch is committed.
 */
import type { DedupWindow } from '../../facts/dedup-window.js';
import type { Offset } from '../../log/log.js';

export class PartitionRepeats {
  readonly #window: DedupWindow;
  /** The window has seen all offsets below this one. */
  #seenBelow = 0;
  /** Repeats among the offsets that are not committed yet. */
  readonly #repeats = new Set<Offset>();

  constructor(window: DedupWindow) {
    this.#window = window;
  }

  /**
   * Whether the pageview at this offset, whose key is at `keys[at]`, is a repeat. New pageviews must come in the order of their offsets; those
   * after the last `committed` position may come again.
   */
  isRepeat(keys: Int32Array, at: number, offset: Offset): boolean {
    if (offset < this.#seenBelow) return this.#repeats.has(offset);
    this.#seenBelow = offset + 1;
    const isRepeat = this.#window.isRepeat(keys, at, offset);
    if (isRepeat) this.#repeats.add(offset);
    return isRepeat;
  }

  /** Prefetches the slots that `isRepeat` will read for these keys. */
  prefetch(keys: Int32Array): void {
    this.#window.prefetch(keys);
  }

  /** Forgets results before the position, which will not be asked for again. */
  committed(position: Offset): void {
    for (const offset of this.#repeats) if (offset < position) this.#repeats.delete(offset);
  }
}
