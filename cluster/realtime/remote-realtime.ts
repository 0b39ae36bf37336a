/**
 * The realtime view of a query process without stores of its own: it opens snapshots of one generation at the workers that hold the stores. A cut is
 * a vector with one position per partition, so any choice of workers gives one cut. A cut is only used if it is not behind an earlier answer of this
 * process. A worker that fails is avoided for a while if another one has its partitions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { offset, type Offset, type PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { RemoteView, type RemotePart } from './remote-view.js';
import type { WorkerClient } from './worker-client.js';

/** The workers known to this process. */
export interface Workers {
  /** The serving generation and all partitions of the log; undefined if none serves yet. */
  serving(): { readonly generation: ViewId; readonly partitions: readonly PartitionName[] } | undefined;
  /** Workers that announced a partition of a generation, the best ones first. */
  holders(generation: ViewId, partition: PartitionName): readonly WorkerClient[];
  /** Reads the announcements again, because they have turned out to be stale. */
  refresh(): Promise<void>;
}

/** How long to retry until all partitions are open and none is behind an earlier answer. */
const patienceMs = 8_000;
const pauseMs = 25;
/** Timeout for opening a snapshot; doubled with each attempt, since all remaining workers may be slow. */
const openMs = 1_000;
const maxOpenMs = 4_000;
const minAttempts = 3;
/** How long a worker that failed is avoided if another one can be asked. */
const avoidMs = 3_000;

export class RemoteRealtime {
  readonly #workers: Workers;
  readonly #patienceMs: number;
  readonly #avoidUntil = new Map<string, number>();
  /** By partition: the newest position used in an answer, and the URL of the worker last used. */
  readonly #seen = new Map<PartitionName, Offset>();
  readonly #last = new Map<PartitionName, string>();
  #logId: string | undefined;

  constructor(workers: Workers, options: { readonly patienceMs?: number } = {}) {
    this.#workers = workers;
    this.#patienceMs = options.patienceMs ?? patienceMs;
  }

  /**
   * Undefined if no generation serves yet. Throws `speed.failed` (retryable) if a partition has no worker, or none that is as far as an earlier
   * answer.
   */
  async snapshot(): Promise<RemoteView | undefined> {
    const until = performance.now() + this.#patienceMs;
    for (let attempt = 1; ; attempt++) {
      const limitMs = Math.min(openMs * 2 ** (attempt - 1), maxOpenMs);
      const outcome = await this.#attempt(limitMs);
      if (outcome === undefined || outcome instanceof RemoteView) return outcome;
      // On a busy machine the time may be up before each worker was asked once.
      if (performance.now() > until && attempt >= minAttempts) throw unreadable(outcome.why);
      await Promise.all([this.#workers.refresh(), sleep(pauseMs)]);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #attempt(limitMs: number): Promise<RemoteView | undefined | { readonly why: string }> {
    const serving = this.#workers.serving();
    if (serving === undefined) return undefined;
    const { generation, partitions } = serving;
    const shares = new Map<WorkerClient, PartitionName[]>();
    for (const name of partitions) {
      const worker = this.#choose(generation, name);
      if (worker === undefined) return { why: `no speed worker has ${name} of ${generation}` };
      shares.set(worker, [...(shares.get(worker) ?? []), name]);
    }
    const parts = await Promise.all(
      [...shares].map(([worker, names]) => this.#open(worker, generation, names, limitMs)),
    );
    const opened = parts.filter((part) => part !== undefined);
    const view = opened.length === parts.length ? this.#viewOf(generation, opened) : undefined;
    if (view !== undefined) return view;
    for (const { worker, answer } of opened) worker.release(answer.id);
    return { why: `not every speed worker of ${generation} is as far as the last answer was` };
  }

  #viewOf(generation: ViewId, parts: readonly RemotePart[]): RemoteView | undefined {
    const logId = parts[0]?.answer.logId;
    if (logId !== this.#logId) this.#seen.clear();
    for (const { worker, answer } of parts) {
      const behind = answer.partitions.some(([name, { next }]) => next < (this.#seen.get(name) ?? 0));
      if (behind) {
        this.#avoid(worker);
        return undefined;
      }
    }
    this.#logId = logId;
    for (const { worker, answer } of parts)
      for (const [name, { next }] of answer.partitions) {
        this.#seen.set(name, offset(Math.max(next, this.#seen.get(name) ?? 0)));
        this.#last.set(name, worker.url);
      }
    return new RemoteView(generation, parts, (worker) => this.#avoid(worker));
  }

  async #open(
    worker: WorkerClient,
    generation: ViewId,
    partitions: readonly PartitionName[],
    limitMs: number,
  ): Promise<RemotePart | undefined> {
    try {
      const answer = await worker.open(generation, partitions, limitMs);
      if (answer === undefined) this.#avoid(worker);
      return answer === undefined ? undefined : { worker, answer };
    } catch (error) {
      if (!hasCode(error, 'realtime.gone')) throw error;
      this.#avoid(worker);
      return undefined;
    }
  }

  /** Prefers the worker used last unless it is being avoided, then the best of the others. */
  #choose(generation: ViewId, partition: PartitionName): WorkerClient | undefined {
    const holders = this.#workers.holders(generation, partition);
    const now = performance.now();
    const usable = holders.filter(({ url }) => (this.#avoidUntil.get(url) ?? 0) < now);
    const among = usable.length > 0 ? usable : holders.toSorted((a, b) => this.#until(a) - this.#until(b));
    return among.find(({ url }) => url === this.#last.get(partition) && usable.length > 0) ?? among[0];
  }

  #until({ url }: WorkerClient): number {
    return this.#avoidUntil.get(url) ?? 0;
  }

  #avoid({ url }: WorkerClient): void {
    const now = performance.now();
    for (const [other, until] of this.#avoidUntil) if (until < now) this.#avoidUntil.delete(other);
    this.#avoidUntil.set(url, now + avoidMs);
  }
}

function unreadable(why: string): SwaError {
  return new SwaError('speed.failed', `the realtime view cannot be read: ${why}`, {
    retryable: true,
    hint: 'retry in a moment; `swa status` shows which speed workers are there',
  });
}
