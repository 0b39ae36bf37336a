/**
 * The system's own jobs in single-consumer queues, one queue for each kind of job because each kind has its own worker.
 * Any role or command may add a job; the responsible role takes it.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../lib/time/clock.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { SingleConsumerQueue, type QueueItem, type QueueOptions } from './single-consumer-queue.js';

const asked = { requestedBy: z.string(), requestedAt: z.number() };

const jobSchemas = {
  'batch-run': z.object(asked),
  /** The importer parses `format`. */
  import: z.object({
    ...asked,
    file: z.string(),
    format: z.unknown(),
    /** Missing in jobs of earlier versions. */
    importId: z.string().optional(),
    again: z.boolean().optional(),
  }),
} as const;

export type JobKind = keyof typeof jobSchemas;

export function isJobKind(name: string): name is JobKind {
  return Object.hasOwn(jobSchemas, name);
}

export type JobOf<K extends JobKind> = z.infer<(typeof jobSchemas)[K]>;

export interface LeasedJob<K extends JobKind> {
  readonly id: number;
  readonly job: JobOf<K>;
  readonly attempt: number;
}

/** Opens the queue of one kind of job under `<dataDir>/jobs/`. Cheap enough to open for a single `add`. */
export function openJobQueue<K extends JobKind>(
  dataDir: string,
  kind: K,
  clock: Clock,
  options: Partial<QueueOptions> = {},
): JobQueue<K> {
  const dir = join(roomOf(dataDir, 'jobs'), kind);
  return new JobQueue(kind, SingleConsumerQueue.open(dir, clock, { limit: 1000, ...options }));
}

export class JobQueue<K extends JobKind> {
  readonly #kind: K;
  readonly #queue: SingleConsumerQueue;

  constructor(kind: K, queue: SingleConsumerQueue) {
    this.#kind = kind;
    this.#queue = queue;
  }

  /** Adds a job, durable on return, and returns its id. Throws `queue.full`. */
  add(job: JobOf<K>): number {
    const [id] = this.#queue.add(Buffer.from(JSON.stringify(job)));
    return id ?? 0;
  }

  /** Leases the oldest job; undefined if there is none. Call `renew` while it runs longer than the lease. */
  get(): LeasedJob<K> | undefined {
    const leased = this.#queue.get();
    return leased === undefined ? undefined : this.#parse(leased);
  }

  ack(id: number): void {
    this.#queue.ack(id);
  }

  fail(id: number, delayMs = 0): void {
    this.#queue.fail(id, delayMs);
  }

  renew(id: number): void {
    this.#queue.renew(id);
  }

  /** Returns all unfinished jobs in order, including running ones (`attempt` > 0). */
  list(): LeasedJob<K>[] {
    return this.#queue.list().map((item) => this.#parse(item));
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  #parse({ id, item, attempt }: QueueItem): LeasedJob<K> {
    const job: unknown = jobSchemas[this.#kind].parse(JSON.parse(Buffer.from(item).toString()));
    return { id, attempt, job: job as JobOf<K> }; // just parsed by that kind's schema
  }
}
