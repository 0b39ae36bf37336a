/**
 * Snapshots held for query processes on other hosts. Requests for the same snapshot within a few milliseconds share one. A snapshot is released when
 * all its holders have released it, or when it was not read for a while, because a holder may be dead.
 */
import { randomUUID } from 'node:crypto';
import { SwaError } from '../../lib/errors/errors.js';
import type { PartitionName } from '../../log/log.js';
import type { ViewId } from '../../facts/views/view.js';
import { StoresReader, type RealtimeSnapshot } from '../../speed/store/read-side.js';

/** How long further requests get the same snapshot. */
const shareMs = 20;
const idleMs = 30_000;
/** Each occupies a reader slot in every store, which has 1,024. */
const maxHeld = 256;
/**
 * Maximum number of combinations of generation and partitions with an open reader. Query processes ask for few at a time: as many as they choose
 * among replicas.
 */
const maxReaders = 16;

interface Held {
  readonly id: string;
  readonly snapshot: RealtimeSnapshot;
  holders: number;
  /** Number of reads in progress. */
  active: number;
  usedAt: number;
}

export class HeldSnapshots {
  readonly #dataDir: string;
  /** By generation and partitions, least recently used first. */
  readonly #readers = new Map<string, StoresReader>();
  readonly #held = new Map<string, Held>();
  readonly #newest = new Map<string, { readonly held: Held; readonly until: number }>();
  readonly #sweep: NodeJS.Timeout;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#sweep = setInterval(() => this.#releaseIdle(), idleMs / 4).unref();
  }

  /** Undefined if a store does not exist. Throws `speed.failed` (retryable) while a store is being rebuilt, or if too many snapshots are held. */
  take(
    generation: ViewId,
    partitions: readonly PartitionName[],
  ): { readonly id: string; readonly snapshot: RealtimeSnapshot } | undefined {
    const key = `${generation} ${partitions.join()}`;
    const now = performance.now();
    const newest = this.#newest.get(key);
    if (newest !== undefined && newest.until > now && this.#held.has(newest.held.id)) {
      newest.held.holders++;
      newest.held.usedAt = now;
      return newest.held;
    }
    if (this.#held.size >= maxHeld) this.#releaseIdle();
    if (this.#held.size >= maxHeld)
      throw new SwaError('speed.failed', `${maxHeld} snapshots are being read`, { retryable: true });
    const snapshot = this.#reader(key).snapshot(generation, partitions);
    if (snapshot === undefined) return undefined;
    const held: Held = { id: randomUUID(), snapshot, holders: 1, active: 0, usedAt: now };
    this.#held.set(held.id, held);
    this.#newest.clear();
    this.#newest.set(key, { held, until: now + shareMs });
    return held;
  }

  /** Runs `read` on a snapshot, which stays held meanwhile; undefined if the snapshot is gone. */
  async reading<T>(id: string, read: (snapshot: RealtimeSnapshot) => Promise<T>): Promise<T | undefined> {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    held.active++;
    try {
      return await read(held.snapshot);
    } finally {
      held.active--;
      held.usedAt = performance.now();
      if (held.holders <= 0) this.#releaseUnused(held);
    }
  }

  release(id: string): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.holders--;
    if (held.holders <= 0) this.#releaseUnused(held);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    for (const { id, snapshot } of this.#held.values()) {
      this.#held.delete(id);
      snapshot.release();
    }
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()));
  }

  #reader(key: string): StoresReader {
    const reader = this.#readers.get(key) ?? new StoresReader(this.#dataDir);
    this.#readers.delete(key);
    this.#readers.set(key, reader);
    const [[oldest, unused] = []] = this.#readers;
    if (this.#readers.size > maxReaders && oldest !== undefined) {
      this.#readers.delete(oldest);
      void unused?.close(); // resolves when the last of its snapshots is released
    }
    return reader;
  }

  #releaseIdle(): void {
    const before = performance.now() - idleMs;
    for (const held of this.#held.values()) {
      if (held.active > 0 || held.usedAt > before) continue;
      held.holders = 0;
      this.#releaseUnused(held);
    }
  }

  #releaseUnused(held: Held): void {
    if (held.active > 0 || !this.#held.delete(held.id)) return;
    held.snapshot.release();
  }
}
