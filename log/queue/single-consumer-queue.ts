/**
 * The single-consumer queue of the chapter: `get` leases an item, `ack` removes it, `fail` gives it back. Persistent,
 * and safe for several processes: any of them may add, several workers of one application may take.
 *
 * Each item is worked on at least once, and twice when a worker is slower than its lease or dies before its ack. A
 * worker whose lease ran out cannot ack or fail any more: the number of the attempt is the fence.
 *
 * In LMDB because its write transactions already are one at a time across processes.
 */
import type { RootDatabase } from 'lmdb';
import type { Clock } from '../../lib/time/clock.js';
import { SwaError, isFullDisk, messageOf } from '../../lib/errors/errors.js';
import { requireRoom } from '../../lib/files/lmdb-room.js';
import { openQueueFile } from './queue-file.js';

export interface QueueItem {
  readonly id: number;
  readonly item: Uint8Array;
  /** 1 the first time it is handed out. */
  readonly attempt: number;
}

export interface QueueOptions {
  /** How long a worker may take before the item goes to another. */
  readonly leaseMs: number;
  /** Most items it holds, leased ones included. */
  readonly limit: number;
}

interface Stored {
  readonly item: Uint8Array;
  readonly attempt: number;
  /** The item may be handed out from this time on (UTC ms). */
  readonly freeAt: number;
}

/** Ids count from 1; under 0 stands what is known of the whole. */
const [totalsKey, firstId] = [0, 1];
/** What a small transaction may take of the disk. */
const roomBytes = 256 * 1024;

interface Totals {
  readonly lastId: number;
  readonly size: number;
}

export class SingleConsumerQueue {
  readonly #dir: string;
  readonly #db: RootDatabase<Stored | Totals, number>;
  readonly #clock: Clock;
  readonly #options: QueueOptions;
  /** What this instance has taken: id to attempt. */
  readonly #leases = new Map<number, number>();

  private constructor(
    dir: string,
    db: RootDatabase<Stored | Totals, number>,
    clock: Clock,
    options: QueueOptions,
  ) {
    this.#dir = dir;
    this.#db = db;
    this.#clock = clock;
    this.#options = options;
  }

  /** Opens, or makes, the queue kept in `dir`. Throws `data-dir.unusable` when its file is damaged. */
  static open(dir: string, clock: Clock, options: Partial<QueueOptions> = {}): SingleConsumerQueue {
    const db = openQueueFile<Stored | Totals>(dir);
    return new SingleConsumerQueue(dir, db, clock, { leaseMs: 60_000, limit: 100_000, ...options });
  }

  /**
   * Puts items at the end, all or none, durable on return; returns their ids. Throws `queue.full` and, when they cannot be
   * written, `data-dir.unusable`, both retryable.
   */
  add(...items: readonly Uint8Array[]): number[] {
    try {
      return this.#add(items);
    } catch (cause) {
      if (cause instanceof SwaError) throw cause;
      const why = isFullDisk(cause) ? 'its disk is full' : messageOf(cause);
      throw new SwaError('data-dir.unusable', `cannot write the queue in '${this.#dir}': ${why}`, {
        cause,
        retryable: true,
      });
    }
  }

  #add(items: readonly Uint8Array[]): number[] {
    return this.#db.transactionSync(() => {
      const { lastId, size } = this.#totals();
      if (size + items.length > this.#options.limit) {
        throw new SwaError('queue.full', `the queue holds ${size} of ${this.#options.limit} items`, {
          retryable: true,
        });
      }
      requireRoom(this.#dir, roomBytes + items.reduce((sum, item) => sum + 2 * item.length, 0));
      const ids = items.map((_, i) => lastId + 1 + i);
      items.forEach((item, i) => this.#db.putSync(lastId + 1 + i, { item, attempt: 0, freeAt: 0 }));
      this.#db.putSync(totalsKey, { lastId: lastId + items.length, size: size + items.length });
      return ids;
    });
  }

  /** Leases the oldest item that no one holds; undefined when there is none. */
  get(): QueueItem | undefined {
    if (this.size === 0) return undefined; // mostly so: needs no write transaction, which takes the lock of all processes
    return this.#db.transactionSync(() => {
      const now = this.#clock();
      for (const { key: id, value } of this.#db.getRange({ start: firstId })) {
        if (!isItem(value) || this.#isHeld(value, now)) continue;
        const attempt = value.attempt + 1;
        requireRoom(this.#dir, roomBytes);
        this.#db.putSync(id, { ...value, attempt, freeAt: now + this.#options.leaseMs });
        this.#leases.set(id, attempt);
        return { id, item: value.item, attempt };
      }
      return undefined;
    });
  }

  /** Longer than a lease no one holds an item: a time further off was written before the clock went back. */
  #isHeld({ freeAt }: Stored, now: number): boolean {
    return freeAt > now && freeAt <= now + this.#options.leaseMs;
  }

  /** The work is done: removes the item. Throws `queue.unknown-item` when this instance does not hold it any more. */
  ack(id: number): void {
    this.#release(id, () => {
      const { lastId, size } = this.#totals();
      this.#db.removeSync(id);
      this.#db.putSync(totalsKey, { lastId, size: size - 1 });
    });
  }

  /** The work failed: the item goes to the next caller of `get` after `delayMs`, at most a lease. Throws as `ack`. */
  fail(id: number, delayMs = 0): void {
    this.#release(id, (stored) =>
      this.#db.putSync(id, { ...stored, freeAt: this.#clock() + Math.min(delayMs, this.#options.leaseMs) }),
    );
  }

  /** Starts the lease again, for work that takes longer. Throws as `ack`. */
  renew(id: number): void {
    this.#withLease(id, (stored) => {
      this.#db.putSync(id, { ...stored, freeAt: this.#clock() + this.#options.leaseMs });
    });
  }

  /** The items in order, leased ones included, none taken. */
  list(limit = 1000): QueueItem[] {
    this.#db.resetReadTxn();
    const items: QueueItem[] = [];
    for (const { key: id, value } of this.#db.getRange({ start: firstId, limit })) {
      if (isItem(value)) items.push({ id, item: value.item, attempt: value.attempt });
    }
    return items;
  }

  /** Items not yet acked. */
  get size(): number {
    this.#db.resetReadTxn(); // one is kept for a turn of the event loop: it does not know what others changed meanwhile
    return this.#totals().size;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  #totals(): Totals {
    const totals = this.#db.get(totalsKey);
    return totals === undefined || isItem(totals) ? { lastId: 0, size: 0 } : totals;
  }

  #release(id: number, change: (stored: Stored) => void): void {
    this.#withLease(id, change);
    this.#leases.delete(id);
  }

  #withLease(id: number, change: (stored: Stored) => void): void {
    this.#db.transactionSync(() => {
      requireRoom(this.#dir, roomBytes);
      const stored = this.#db.get(id);
      if (!isItem(stored) || stored.attempt !== this.#leases.get(id)) {
        this.#leases.delete(id);
        throw new SwaError('queue.unknown-item', `item ${id} is not leased to this worker (any more)`, {
          hint: 'its lease expired and another worker took it; the work may be done twice',
        });
      }
      change(stored);
    });
  }
}

function isItem(value: Stored | Totals | undefined): value is Stored {
  return value !== undefined && 'item' in value;
}
