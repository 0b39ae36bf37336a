/**
 * The acker: knows for every spout tuple whether its whole tuple tree has been processed, in 19 bytes of payload whatever the
 * tree's size. The idea is Storm's (Marz, "Guaranteeing message processing"):
 *
 *   Every tuple of a tree has a random 64-bit id, an edge. The tree's entry holds the XOR of all reports: emitting
 *   reports the new edges, acking reports the acked edge once more. Each id comes in twice and cancels itself, so
 *   the XOR is zero exactly when every emitted tuple has been acked (or, by chance, once in 2^64 reports).
 *
 * Reports of one tree may come in any order: the entry is answered only after its init has come, and an ack tells its
 * tuple's children together with its own edge, so that no order of complete reports can bring zero too early.
 *
 * An entry, over typed arrays of equal length (JavaScript's `^` is 32 bit, hence two halves):
 *
 *   generation 4 | xor hi 4 | xor lo 4 | started at 4 (ms, wraps after 49 days) | spout task 2 | state 1
 *
 * Free slots form a list through their `xor lo`. The slot's generation tells reports of the present tree from late ones of a tree that timed out: those are dropped.
 */
import { TopologyError } from './errors.js';

export type Outcome = 'acked' | 'failed' | 'timedOut';

/** Told once for every tree that was begun and initialised; the slot is free for another tree from then on. */
export type OnAnswer = (task: number, slot: number, outcome: Outcome, ageMs: number) => void;

const free = 0;
/** Begun, init not yet seen. */
const begun = 1;
/** Begun and failed before its init. */
const doomed = 2;
/** Init seen, XOR not zero. */
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

  /** Trees not answered yet. */
  get pending(): number {
    return this.count;
  }

  /** Bytes held for entries, used and free alike. */
  get sizeBytes(): number {
    const arrays = [this.generations, this.xorHi, this.xorLo, this.startedAt, this.tasks, this.states];
    return arrays.reduce((sum, array) => sum + array.byteLength, 0);
  }

  /** Slots there is room for; grows by doubling and stays. */
  get capacity(): number {
    return this.states.length;
  }

  /** Begins a tree of a spout task and returns its slot. Its timeout counts from `nowMs`, whole milliseconds. */
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

  /** All edges of the spout tuple itself have been reported by (hi, lo), their XOR: from now on zero means complete. */
  init(slot: number, generation: number, hi: number, lo: number, nowMs: number): void {
    if (this.generations[slot] !== generation) return;
    const state = this.states[slot];
    if (state === doomed) return this.answer(slot, 'failed', nowMs);
    if (state !== begun) return;
    this.states[slot] = open;
    this.ack(slot, generation, hi, lo, nowMs);
  }

  /** XORs a report into the entry: an acked tuple's edge together with the edges of the tuples anchored to it. */
  ack(slot: number, generation: number, hi: number, lo: number, nowMs: number): void {
    if (this.generations[slot] !== generation || this.states[slot] === free) return;
    const restHi = this.xorHi[slot] ^ hi;
    const restLo = this.xorLo[slot] ^ lo;
    this.xorHi[slot] = restHi;
    this.xorLo[slot] = restLo;
    if (restHi === 0 && restLo === 0 && this.states[slot] === open) this.answer(slot, 'acked', nowMs);
  }

  /** Fails the tree, at once or as soon as its init comes. */
  fail(slot: number, generation: number, nowMs: number): void {
    if (this.generations[slot] !== generation) return;
    if (this.states[slot] === open) this.answer(slot, 'failed', nowMs);
    else if (this.states[slot] === begun) this.states[slot] = doomed;
  }

  /**
   * Times out every tree older than the timeout T. Called every T/2, so that a tree ends at an age between T and
   * 1.5 T. It looks at every entry, in the order of memory.
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

  private ageOf(slot: number, nowMs: number): number {
    return ((nowMs >>> 0) - this.startedAt[slot]) >>> 0;
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
