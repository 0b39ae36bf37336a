/**
 * Requests a batch run when exclusions are waiting, because only a run can remove what they exclude from history. `tell` is called repeatedly
 * with the number that wait in the serving generation, so a crash loses no request. Requests one run for all exclusions that arrived since the
 * last request, and none while an earlier request has not started.
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

  /** Throws errors of the job queue; a later call then requests again. */
  async report(generation: ViewId, exclusions: number): Promise<void> {
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
