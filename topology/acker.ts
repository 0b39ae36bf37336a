/**
 * The acker tracks whether the whole tuple tree of each spout tuple has been processed, in 19 bytes per tree whatever
 * the tree's size. The idea is Storm's (Marz, "Guaranteeing message processing"):
 *
 *   Every tuple of a tree has a random 64-bit id, an edge. The tree's entry holds the XOR of all reports: emitting
 *   reports the new edges, acking reports the acked edge a second time. Each id is XORed in twice and cancels out, so
 *   the XOR is zero exactly when every emitted tuple has been acked (or, by chance, once in 2^64 reports).
 *
 * The reports of one tree may arrive in any order: an entry completes only after its init, and an ack reports a tuple's
 * own edge together with those of its children, so no order of reports makes the XOR zero too early.
 *
 * Layout of an entry, in bytes, as typed arrays of equal length (JavaScript's `^` is 32 bit, hence two halves):
 *
 *   generation 4 | xor hi 4 | xor lo 4 | started at 4 (ms, ages up to 24 days) | spout task 2 | state 1
 *
 * Free slots form a linked list through their `xor lo`. Each use of a slot has its own generation number, so late
 * reports of a tree that has timed out are recognised and dropped.
 */
import { TopologyError } from './errors.js';

export type Outcome = 'acked' | 'failed' | 'timedOut';

/** Called once for each tree that was begun and initialised. The slot is free for another tree when this is called. */
export type OnAnswer = (task: number, slot: number, outcome: Outcome, ageMs: number) => void;

const free = 0;
/** Begun; `init` has not been called yet. */
const begun = 1;
/** Failed before `init` was called. */
const failedEarly = 2;
/** `init` has been called and the XOR is not zero. */
const open = 3;

const noSlot = -1;
const initialCapacity = 64;
const maxCapacity = 1 << 26;

export class Acker {
  private generations = new Int32Array(initialCapacity);
  private xorHi = new Int32Array(initialCapacity);
  private xorLo = new Int32Array(initialCapacity);
  private startedAt = new Uint32Array(initialCapacity);
  private tasks = new Uint16Array(initialCapacity);
  private states = new Uint8Array(initialCapacity);
  private firstFree = noSlot;
  private used = 0;
  private count = 0;

  constructor(
    private readonly timeoutMs: number,
    private readonly onAnswer: OnAnswer,
  ) {}

  /** Number of trees that are not complete, failed or timed out yet. */
  get pending(): number {
    return this.count;
  }

  /** Size of the entries in bytes, used and free. */
  get sizeBytes(): number {
    const arrays = [this.generations, this.xorHi, this.xorLo, this.startedAt, this.tasks, this.states];
    return arrays.reduce((sum, array) => sum + array.byteLength, 0);
  }

  /** Number of slots allocated. Doubles when full and never shrinks. */
  get capacity(): number {
    return this.states.length;
  }

  /** Begins a tree for a spout task and returns its slot. The timeout counts from `nowMs` (whole milliseconds). */
  begin(task: number, nowMs: number): number {
    const slot = this.takeSlot();
    this.generations[slot] = (this.generations[slot] + 1) | 0;
    this.xorHi[slot] = 0;
    this.xorLo[slot] = 0;
    this.startedAt[slot] = nowMs;
    this.tasks[slot] = task;
    this.states[slot] = begun;
    this.count++;
    return slot;
  }

  generationOf(slot: number): number {
    return this.generations[slot];
  }

  /**
   * Reports the XOR (hi, lo) of all edges of the spout tuple itself. From now on an XOR of zero means that the tree is
   * complete.
   */
  init(slot: number, generation: number, hi: number, lo: number, nowMs: number): void {
    if (this.generations[slot] !== generation) return;
    const state = this.states[slot];
    if (state === failedEarly) return this.answer(slot, 'failed', nowMs);
    if (state !== begun) return;
    this.states[slot] = open;
    this.ack(slot, generation, hi, lo, nowMs);
  }

  /** XORs one report into the entry: an acked tuple's edge combined with the edges of the tuples anchored to it. */
  ack(slot: number, generation: number, hi: number, lo: number, nowMs: number): void {
    if (this.generations[slot] !== generation || this.states[slot] === free) return;
    const restHi = this.xorHi[slot] ^ hi;
    const restLo = this.xorLo[slot] ^ lo;
    this.xorHi[slot] = restHi;
    this.xorLo[slot] = restLo;
    if (restHi === 0 && restLo === 0 && this.states[slot] === open) this.answer(slot, 'acked', nowMs);
  }

  /** Fails the tree now, or when `init` is called if that has not happened yet. */
  fail(slot: number, generation: number, nowMs: number): void {
    if (this.generations[slot] !== generation) return;
    if (this.states[slot] === open) this.answer(slot, 'failed', nowMs);
    else if (this.states[slot] === begun) this.states[slot] = failedEarly;
  }

  /**
   * Times out every tree older than the timeout T. The caller runs this every T/2, so a tree ends at an age between T
   * and 1.5 T. Scans all entries in memory order.
   */
  expire(nowMs: number): void {
    for (let slot = 0; slot < this.used; slot++) {
      if (this.states[slot] !== free && this.ageOf(slot, nowMs) >= this.timeoutMs) {
        this.answer(slot, 'timedOut', nowMs);
      }
    }
  }

  private answer(slot: number, outcome: Outcome, nowMs: number): void {
    this.states[slot] = free;
    this.xorLo[slot] = this.firstFree;
    this.firstFree = slot;
    this.count--;
    this.onAnswer(this.tasks[slot], slot, outcome, this.ageOf(slot, nowMs));
  }

  /** 0 if the clock has gone back since. */
  private ageOf(slot: number, nowMs: number): number {
    return Math.max(0, ((nowMs >>> 0) - this.startedAt[slot]) | 0);
  }

  private takeSlot(): number {
    if (this.firstFree !== noSlot) {
      const slot = this.firstFree;
      this.firstFree = this.xorLo[slot];
      return slot;
    }
    if (this.used === this.capacity) this.grow();
    return this.used++;
  }

  private grow(): void {
    const capacity = this.capacity * 2;
    if (capacity > maxCapacity)
      throw new TopologyError('topology.queue-full', `more than ${maxCapacity} tuple trees pending`);
    this.generations = copyInto(new Int32Array(capacity), this.generations);
    this.xorHi = copyInto(new Int32Array(capacity), this.xorHi);
    this.xorLo = copyInto(new Int32Array(capacity), this.xorLo);
    this.startedAt = copyInto(new Uint32Array(capacity), this.startedAt);
    this.tasks = copyInto(new Uint16Array(capacity), this.tasks);
    this.states = copyInto(new Uint8Array(capacity), this.states);
  }
}

function copyInto<T extends Int32Array | Uint32Array | Uint16Array | Uint8Array>(target: T, source: T): T {
  target.set(source);
  return target;
}
