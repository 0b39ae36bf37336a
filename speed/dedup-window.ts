/**
 * The deduplication window of one partition: which eventIds its last `size` offsets carried.
 *
 * Whether a record is a repeat is a function of the log alone: it is one when a record with the same eventId lies at
 * most `size` offsets before it. So every replay, every worker and every generation decides alike. The window is fed
 * once with each record, in offset order; before a generation's first record it is fed with the records before the cut.
 *
 * Two hash tables take turns: the current one holds what was seen since `start`, the previous one what was seen in the
 * `size` offsets before that. When the current one spans `size` offsets it becomes the previous one. Ids are kept as 64-bit
 * hashes, 12 bytes a slot: at a million ids in the window, two different ones meet once in 10^13 facts.
 */
import { EventHasher } from './event-hash.js';

export class DedupWindow {
  readonly #size: number;
  readonly #hasher = new EventHasher();
  #start = 0;
  #current: SeenTable;
  #previous: SeenTable;
  #previousStart = 0;

  /** @param size offsets to look back; 0 absorbs nothing */
  constructor(size: number) {
    this.#size = size;
    this.#current = new SeenTable();
    this.#previous = new SeenTable();
  }

  /** Takes note of the record, and says whether it repeats one within the window. Offsets must ascend. */
  isRepeat(eventId: string, offset: number): boolean {
    if (this.#size === 0) return false;
    if (offset - this.#start >= this.#size) this.#turn(offset);
    const { hi, lo } = this.#hash(eventId);
    const earlier = this.#current.exchange(hi, lo, offset - this.#start);
    if (earlier >= 0) return true; // both within the current table, so less than `size` apart
    const before = this.#previous.get(hi, lo);
    return before >= 0 && offset - (this.#previousStart + before) <= this.#size;
  }

  #hash(eventId: string): EventHasher {
    this.#hasher.hash(eventId);
    return this.#hasher;
  }

  #turn(offset: number): void {
    const stale = offset - this.#start >= 2 * this.#size;
    this.#previous = stale ? new SeenTable() : this.#current;
    this.#previousStart = this.#start;
    this.#current = new SeenTable();
    this.#start = offset;
  }
}

const smallestSlots = 256;

/** Open addressing with linear probing over three parallel arrays. A slot is free when its place is 0. */
class SeenTable {
  #mask = smallestSlots - 1;
  #hi = new Int32Array(smallestSlots);
  #lo = new Int32Array(smallestSlots);
  /** Place + 1, so that 0 means free. */
  #place = new Uint32Array(smallestSlots);
  #used = 0;

  /** The place last stored under the hash, or -1. */
  get(hi: number, lo: number): number {
    return (this.#place[this.#slotOf(hi, lo)] ?? 0) - 1;
  }

  /** Stores the place; returns the one stored before, or -1. */
  exchange(hi: number, lo: number, place: number): number {
    const slot = this.#slotOf(hi, lo);
    const before = (this.#place[slot] ?? 0) - 1;
    this.#hi[slot] = hi;
    this.#lo[slot] = lo;
    this.#place[slot] = place + 1;
    if (before < 0 && ++this.#used * 4 > this.#place.length * 3) this.#grow();
    return before;
  }

  #slotOf(hi: number, lo: number): number {
    let slot = (lo ^ hi) & this.#mask;
    while (this.#place[slot] !== 0 && (this.#lo[slot] !== lo || this.#hi[slot] !== hi)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #grow(): void {
    const [hi, lo, place] = [this.#hi, this.#lo, this.#place];
    const slots = place.length * 2;
    this.#mask = slots - 1;
    this.#hi = new Int32Array(slots);
    this.#lo = new Int32Array(slots);
    this.#place = new Uint32Array(slots);
    for (let from = 0; from < place.length; from++) {
      if (place[from] === 0) continue;
      const to = this.#slotOf(hi[from] ?? 0, lo[from] ?? 0);
      this.#hi[to] = hi[from] ?? 0;
      this.#lo[to] = lo[from] ?? 0;
      this.#place[to] = place[from] ?? 0;
    }
  }
}
