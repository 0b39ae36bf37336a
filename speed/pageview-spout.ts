/**
 * The pageview spout: the source of the topology. It is fed with the slices of an epoch, emits each as one tuple, and
 * keeps account of what became of them. One tuple carries many pageviews: tracking a tree costs more than counting a
 * pageview, so a tree is shared by the pageviews that were read together.
 */
import type { Slice } from './log-intake.js';
import type { Spout, SpoutOutput } from './topology/index.js';

export class PageviewSpout implements Spout {
  readonly outputs = { slices: ['slice'] } as const;

  #output: SpoutOutput | undefined;
  #waiting: readonly Slice[] = [];
  #emitted = 0;
  readonly #failed = new Set<Slice>();

  open(_context: unknown, output: SpoutOutput): void {
    this.#output = output;
  }

  /** Begins an epoch: these are all its slices. */
  feed(slices: readonly Slice[]): void {
    this.#waiting = slices;
    this.#emitted = 0;
    this.#failed.clear();
  }

  /** The slices whose trees failed since `feed`. */
  get failed(): ReadonlySet<Slice> {
    return this.#failed;
  }

  nextTuple(): void {
    const slice = this.#waiting[this.#emitted];
    if (slice === undefined) return;
    this.#emitted++;
    this.#output?.emitTo('slices', [slice], slice);
  }

  fail(messageId: unknown): void {
    this.#failed.add(messageId as Slice); // the message ids are the slices themselves
  }
}
