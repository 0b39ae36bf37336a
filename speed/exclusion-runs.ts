/**
 * Asks for a batch run when exclusions wait: only a run can take what they exclude out of history. Told again and again how
 * many wait in the generation that serves, so nothing is forgotten by a crash; asks once for all that have come since it asked
 * last, and not at all while a run that it asked for has not begun.
 */
import type { Clock } from '../lib/time/clock.js';
import type { ViewId } from '../facts/views/view.js';
import { openJobQueue } from '../log/queue/job-queue.js';

const requestedBy = 'exclusions';
const retryMs = 10_000;

export class ExclusionRuns {
  readonly #dataDir: string;
  readonly #clock: Clock;
  #asked: { readonly generation: ViewId; readonly exclusions: number } | undefined;

  constructor(dataDir: string, clock: Clock) {
    this.#dataDir = dataDir;
    this.#clock = clock;
  }

  /** Throws what opening the queue throws, and asks again after a while. */
  async tell(generation: ViewId, exclusions: number): Promise<void> {
    const before = this.#asked?.generation === generation ? this.#asked.exclusions : 0;
    if (exclusions <= before) return;
    const asked = { generation, exclusions };
    this.#asked = asked;
    try {
      await this.#ask();
    } catch (error) {
      const forget = (): void => {
        if (this.#asked === asked) this.#asked = undefined;
      };
      setTimeout(forget, retryMs).unref();
      throw error;
    }
  }

  async #ask(): Promise<void> {
    const jobs = openJobQueue(this.#dataDir, 'batch-run', this.#clock);
    try {
      const isAsked = jobs
        .list()
        .some(({ job, attempt }) => attempt === 0 && job.requestedBy === requestedBy);
      if (!isAsked) jobs.add({ requestedBy, requestedAt: this.#clock() });
    } finally {
      await jobs.close();
    }
  }
}
