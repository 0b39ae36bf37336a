/**
 * Which pageviews of one partition are repeats (facts/repeat.ts), as its deduplication window says.
 *
 * The window must be shown each pageview that would count once, in the order of the log, but the topology may work on a
 * record several times, when an epoch is replayed. So what the window said is kept until the epoch is committed.
 */
import type { DedupWindow } from '../../facts/dedup-window.js';
import type { Offset } from '../../log/log.js';

export class PartitionRepeats {
  readonly #window: DedupWindow;
  /** The window has seen everything below. */
  #seenBelow = 0;
  /** Among what is not committed. */
  readonly #repeats = new Set<Offset>();

  constructor(window: DedupWindow) {
    this.#window = window;
  }

  /**
   * Whether the pageview at this offset, whose key lies at `keys[at]`, is a repeat. New pageviews must come in the order of
   * their offsets; those after the last `committed` may come again.
   */
  isRepeat(keys: Int32Array, at: number, offset: Offset): boolean {
    if (offset < this.#seenBelow) return this.#repeats.has(offset);
    this.#seenBelow = offset + 1;
    const isRepeat = this.#window.isRepeat(keys, at, offset);
    if (isRepeat) this.#repeats.add(offset);
    return isRepeat;
  }

  /** Touches what `isRepeat` looks at for these keys. */
  prefetch(keys: Int32Array): void {
    this.#window.prefetch(keys);
  }

  /** What lies before the position will not be asked for again. */
  committed(position: Offset): void {
    for (const offset of this.#repeats) if (offset < position) this.#repeats.delete(offset);
  }
}
