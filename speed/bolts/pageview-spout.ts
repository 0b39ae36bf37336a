/**
 * The pageview spout: the source of the topology. It is fed with slices of the log, emits each as one tuple, and records the ones that failed.
 * One tuple carries many pageviews, because tracking a tuple tree costs more than counting a pageview.
 */
import type { Slice, SliceFacts } from './slice-source.js';
import type { Spout, SpoutOutput } from '../../topology/index.js';

export class PageviewSpout implements Spout {
  readonly outputs = { slices: ['facts'] } as const;

  #output: SpoutOutput | undefined;
  #decode: ((slice: Slice) => SliceFacts) | undefined;
  #waiting: readonly Slice[] = [];
  #emitted = 0;
  readonly #failed: Slice[] = [];

  open(_context: unknown, output: SpoutOutput): void {
    this.#output = output;
  }

  /**
   * Sets the slices to emit, in this order, up to the first that fails; `decode` is called once for each. Clears earlier failures.
   */
  feed(slices: readonly Slice[], decode: (slice: Slice) => SliceFacts): void {
    this.#waiting = slices;
    this.#decode = decode;
    this.#emitted = 0;
    this.#failed.length = 0;
  }

  /** The slices whose trees failed since `feed`. */
  get failed(): readonly Slice[] {
    return this.#failed;
  }

  nextTuple(): void {
    const slice = this.#waiting[this.#emitted];
    if (slice === undefined || this.#decode === undefined || this.#failed.length > 0) return;
    this.#emitted++;
    this.#output?.emitTo('slices', [this.#decode(slice)], slice);
  }

  fail(messageId: unknown): void {
    this.#failed.push(messageId as Slice); // the message ids are the slices
  }
}
