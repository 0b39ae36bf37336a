/** The sort jobs of one kind: started in order, and their results delivered in order, whichever ends first. */
import type { SortJob, SortResult } from '../arrays/sort-job.js';

/** Maximum number of facts of jobs that are ahead; each takes about 10 bytes of memory until its turn. */
const rowsAhead = 8 << 20;

/** Receives the output of jobs, in order within a kind: a job's blocks, then its result. */
export interface SortedListener {
  readonly onRows: (rows: number) => void;
  readonly onBlocks: (job: SortJob, blocks: Uint8Array) => void;
  readonly onResult: (job: SortJob, result: SortResult) => void;
}

export interface Task {
  readonly job: SortJob;
  readonly index: number;
}

export class OrderedJobs {
  readonly #jobs: readonly SortJob[];
  readonly #listener: SortedListener;
  /** Output of jobs whose turn has not come. */
  readonly #held = new Map<number, { blocks: Uint8Array[]; result?: SortResult }>();
  #started = 0;
  #heard = 0;
  #rowsAhead = 0;

  constructor(jobs: readonly SortJob[], listener: SortedListener) {
    this.#jobs = jobs;
    this.#listener = listener;
  }

  /** The next job, unless too much output would have to be held. The job whose turn is next may always start. */
  start(): Task | undefined {
    const index = this.#started;
    const job = this.#jobs[index];
    if (job === undefined) return undefined;
    if (index > this.#heard && this.#rowsAhead + job.rows > rowsAhead) return undefined;
    this.#started++;
    this.#rowsAhead += job.rows;
    return { job, index };
  }

  addBlocks(index: number, blocks: Uint8Array): void {
    const job = this.#jobs[index];
    if (index === this.#heard && job !== undefined) this.#listener.onBlocks(job, blocks);
    else this.#hold(index).blocks.push(blocks);
  }

  finish(index: number, result: SortResult): void {
    this.#hold(index).result = result;
    for (;;) {
      const job = this.#jobs[this.#heard];
      const held = this.#held.get(this.#heard);
      if (job === undefined || held === undefined) return;
      for (const blocks of held.blocks.splice(0)) this.#listener.onBlocks(job, blocks);
      if (held.result === undefined) return;
      this.#listener.onResult(job, held.result);
      this.#held.delete(this.#heard++);
      this.#rowsAhead -= job.rows;
    }
  }

  #hold(index: number): { blocks: Uint8Array[]; result?: SortResult } {
    let held = this.#held.get(index);
    if (held === undefined) {
      held = { blocks: [] };
      this.#held.set(index, held);
    }
    return held;
  }
}
