/**
 * The realtime view for a query process that has none of its stores: asks the workers that hold them for snapshots of one generation. A cut
 * is a vector, one position a partition, so any choice of workers gives one cut; what is chosen never lies behind what this process
 * has answered before. A worker that fails is passed over for a while if another one has its partitions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SwaError, hasCode } from '../../lib/errors/errors.js';
import { offset, type Offset, type PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { RemoteView, type RemotePart } from './remote-view.js';
import type { WorkerClient } from './worker-client.js';

/** Which workers there are, as far as is known here. */
export interface Workers {
  /** The generation that serves, and all partitions of the log; undefined before there is one. */
  serving(): { readonly generation: ViewId; readonly partitions: readonly PartitionName[] } | undefined;
  /** Those that have said that a partition of a generation can be read from them, the best ones first. */
  holders(generation: ViewId, partition: PartitionName): readonly WorkerClient[];
  /** Looks again, soon: what is known here has turned out to be old. */
  refresh(): Promise<void>;
}

/** How long is tried to get all partitions, and to get them no older than before. */
const patienceMs = 8_000;
const pauseMs = 25;
/** Until a worker has opened a snapshot; longer with each attempt, since all that are left may be slow. */
const openMs = 1_000;
const longestOpenMs = 4_000;
const leastAttempts = 3;
/** How long a worker that has failed is not asked if there is another one. */
const suspectMs = 3_000;

export class RemoteRealtime {
  readonly #workers: Workers;
  readonly #patienceMs: number;
  readonly #suspects = new Map<string, number>();
  /** What has been answered from, and by whom last. */
  readonly #seen = new Map<PartitionName, Offset>();
  readonly #last = new Map<PartitionName, string>();
  #logId: string | undefined;

  constructor(workers: Workers, options: { readonly patienceMs?: number } = {}) {
    this.#workers = workers;
    this.#patienceMs = options.patienceMs ?? patienceMs;
  }

  /** Throws `speed.failed` (retryable) when no worker has a partition, or none is as far as before. */
  async snapshot(): Promise<RemoteView | undefined> {
    const until = performance.now() + this.#patienceMs;
    for (let attempt = 1; ; attempt++) {
      const limitMs = Math.min(openMs * 2 ** (attempt - 1), longestOpenMs);
      const outcome = await this.#attempt(limitMs);
      if (outcome === undefined || outcome instanceof RemoteView) return outcome;
      // On a busy machine the time may be over before each worker has been asked once.
      if (performance.now() > until && attempt >= leastAttempts) throw unreadable(outcome.why);
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
        this.#suspect(worker);
        return undefined;
      }
    }
    this.#logId = logId;
    for (const { worker, answer } of parts)
      for (const [name, { next }] of answer.partitions) {
        this.#seen.set(name, offset(Math.max(next, this.#seen.get(name) ?? 0)));
        this.#last.set(name, worker.url);
      }
    return new RemoteView(generation, parts, (worker) => this.#suspect(worker));
  }

  async #open(
    worker: WorkerClient,
    generation: ViewId,
    partitions: readonly PartitionName[],
    limitMs: number,
  ): Promise<RemotePart | undefined> {
    try {
      const answer = await worker.open(generation, partitions, limitMs);
      if (answer === undefined) this.#suspect(worker);
      return answer === undefined ? undefined : { worker, answer };
    } catch (error) {
      if (!hasCode(error, 'realtime.gone')) throw error;
      this.#suspect(worker);
      return undefined;
    }
  }

  /** The one who had it last, as long as it answers; else the best of the others. */
  #choose(generation: ViewId, partition: PartitionName): WorkerClient | undefined {
    const holders = this.#workers.holders(generation, partition);
    const now = performance.now();
    const sound = holders.filter(({ url }) => (this.#suspects.get(url) ?? 0) < now);
    const among = sound.length > 0 ? sound : holders.toSorted((a, b) => this.#until(a) - this.#until(b));
    return among.find(({ url }) => url === this.#last.get(partition) && sound.length > 0) ?? among[0];
  }

  #until({ url }: WorkerClient): number {
    return this.#suspects.get(url) ?? 0;
  }

  #suspect({ url }: WorkerClient): void {
    const now = performance.now();
    for (const [other, until] of this.#suspects) if (until < now) this.#suspects.delete(other);
    this.#suspects.set(url, now + suspectMs);
  }
}

function unreadable(why: string): SwaError {
  return new SwaError('speed.failed', `the realtime view cannot be read: ${why}`, {
    retryable: true,
    hint: 'retry in a moment; `swa status` shows which speed workers are there',
  });
}
