/**
 * The single-consumer queue of the chapter: `get` leases an item, `ack` removes it, `fail` returns it to the queue. It
 * is persistent and safe for several processes: any of them may add, and several workers of one application may take.
 *
 * Each item is processed at least once, and again if a worker exceeds its lease or dies before its ack. A worker whose
 * lease has expired cannot ack or fail the item any more: the attempt number is the fencing token.
 *
 * It uses LMDB because LMDB's write transactions are already serialised across processes.
 */
import type { RootDatabase } from 'lmdb';
import type { Clock } from '../../lib/time/clock.js';
import { SwaError, isFullDisk, messageOf } from '../../lib/errors/errors.js';
import { requireRoom } from '../../lib/files/lmdb-open.js';
import { openQueueFile } from './queue-file.js';

export interface QueueItem {
  readonly id: number;
  readonly item: Uint8Array;
  /** 1 the first time the item is leased. */
  readonly attempt: number;
}

export interface QueueOptions {
  /** Lease duration: how long a worker may take before another one gets the item. */
  readonly leaseMs: number;
  /** Maximum number of items, including leased ones. */
  readonly limit: number;
}

interface Stored {
  readonly item: Uint8Array;
  readonly attempt: number;
  /** The item may be leased from this time on (UTC ms). */
  readonly freeAt: number;
}

/** Item ids start at 1; key 0 holds the totals. */
const [totalsKey, firstId] = [0, 1];
/** Disk space that a small transaction may need. */
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
  /** Leases held by this instance: item id to attempt number. */
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

  /** Opens or creates the queue in `dir`. Throws `data-dir.unusable` if its file is damaged. */
  static open(dir: string, clock: Clock, options: Partial<QueueOptions> = {}): SingleConsumerQueue {
    const db = openQueueFile<Stored | Totals>(dir);
    return new SingleConsumerQueue(dir, db, clock, { leaseMs: 60_000, limit: 100_000, ...options });
  }

  /**
   * Adds items at the end, all or none, durable on return, and returns their ids. Throws `queue.full` or, if they
   * cannot be written, `data-dir.unusable`; both are retryable.
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

  /** Leases the oldest item that is not leased; undefined if there is none. */
  get(): QueueItem | undefined {
    if (this.size === 0) return undefined; // the usual case: avoids a write transaction, which takes a lock across all processes
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

  /** A lease never ends later than `leaseMs` from now. A later time was written before the clock went back, so it is ignored. */
  #isHeld({ freeAt }: Stored, now: number): boolean {
    return freeAt > now && freeAt <= now + this.#options.leaseMs;
  }

  /** Removes the item after its work is done. Throws `queue.unknown-item` if this instance no longer holds its lease. */
  ack(id: number): void {
    this.#release(id, () => {
      const { lastId, size } = this.#totals();
      this.#db.removeSync(id);
      this.#db.putSync(totalsKey, { lastId, size: size - 1 });
    });
  }

  /** Returns the item to the queue after its work failed; `get` can lease it after `delayMs`, at most `leaseMs`. Throws like `ack`. */
  fail(id: number, delayMs = 0): void {
    this.#release(id, (stored) =>
      this.#db.putSync(id, { ...stored, freeAt: this.#clock() + Math.min(delayMs, this.#options.leaseMs) }),
    );
  }

  /** Restarts the lease, for work that takes longer. Throws like `ack`. */
  renew(id: number): void {
    this.#withLease(id, (stored) => {
      this.#db.putSync(id, { ...stored, freeAt: this.#clock() + this.#options.leaseMs });
    });
  }

  /** Returns the items in order, including leased ones, without leasing any. */
  list(limit = 1000): QueueItem[] {
    this.#db.resetReadTxn();
    const items: QueueItem[] = [];
    for (const { key: id, value } of this.#db.getRange({ start: firstId, limit })) {
      if (isItem(value)) items.push({ id, item: value.item, attempt: value.attempt });
    }
    return items;
  }

  /** Number of items not acked yet. */
  get size(): number {
    this.#db.resetReadTxn(); // a read transaction lasts for an event loop turn and would not see what other processes changed meanwhile
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
