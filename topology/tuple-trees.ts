/**
 * Follows tuple trees, step by step. The tree of a spout tuple has one entry in the acker (`acker.ts`), which holds the
 * XOR of everything reported about it.
 *
 * 1. A spout emits a tuple with a message id: `begin` creates the entry. Each receiver's copy gets an edge, a random
 *    64-bit id (`rootEdge`), and `initialised` reports the XOR of these edges.
 * 2. A bolt emits a tuple anchored to its input: the new tuple gets an edge in each of the anchor's trees
 *    (`edgesUnder`). Nothing is reported yet; the anchor keeps the XOR of its children's ids.
 * 3. The bolt acks its input: `ack` reports edge XOR children in one step. The tuple leaves the entry at the same
 *    moment as its children enter it, so the entry cannot be zero while work is left.
 * 4. When every id has been reported twice the entry is zero, and the spout gets its `ack`. If a bolt fails a tuple
 *    (`fail`), or the tree is not complete in time, the spout gets its `fail`.
 *
 * This object also holds what all tasks of one topology share: message ids, random numbers, the time of the current
 * turn, and the error handler.
 */
import { Acker } from './acker.js';
import type { OnAnswer } from './acker.js';
import type { MessageId } from './component.js';
import type { Random } from './random.js';
import { Edge } from './tuple.js';
import type { Tuple } from './tuple.js';

/** An error that a bolt threw or reported. If it was thrown by `execute`, the tuple has been failed. */
export interface BoltError {
  readonly component: string;
  readonly task: number;
  readonly error: unknown;
}

export class TupleTrees {
  readonly acker: Acker;
  /** Indexed by acker slot; 8 bytes per slot in addition to the acker's own. */
  readonly messageIds: MessageId[] = [];
  /** The time in milliseconds, read at the start of the current task's part of a turn. */
  nowMs: number;

  constructor(
    private readonly clock: () => number,
    private readonly random: Random,
    timeoutMs: number,
    onAnswer: OnAnswer,
    readonly report: (error: BoltError) => void,
  ) {
    this.acker = new Acker(timeoutMs, onAnswer);
    this.nowMs = clock();
  }

  readClock(): number {
    this.nowMs = this.clock();
    return this.nowMs;
  }

  /** Begins the tree of a spout tuple and returns its slot in the acker. */
  begin(task: number, messageId: MessageId): number {
    const slot = this.acker.begin(task, this.nowMs);
    this.messageIds[slot] = messageId;
    return slot;
  }

  /** Reports that all copies of the spout tuple are queued; (hi, lo) is the XOR of their edges. */
  initialised(slot: number, generation: number, hi: number, lo: number): void {
    this.acker.init(slot, generation, hi, lo, this.nowMs);
  }

  /** Makes the edge of one copy of a spout tuple. */
  rootEdge(slot: number, generation: number): Edge {
    return new Edge(slot, generation, this.random.int32(), this.random.int32(), null);
  }

  /**
   * Makes the edges of a new tuple with one anchor: one for each of the anchor's trees, all with the same id, which is
   * added to the anchor's children.
   */
  edgesUnder(anchor: Tuple): Edge | null {
    const { hi, lo } = this.newChild(anchor);
    let edges: Edge | null = null;
    for (let edge = anchor.edges; edge !== null; edge = edge.next) {
      edges = new Edge(edge.slot, edge.generation, hi, lo, edges);
    }
    return edges;
  }

  /**
   * Makes the edges of a new tuple with several anchors. The tuple gets an id under each anchor; in a tree shared by
   * several anchors it gets one edge, with the XOR of those ids. A single id for all anchors, or an edge for each,
   * would cancel out between two anchors of one tree, and the tree would complete while this tuple is still being
   * processed.
   */
  edgesUnderAll(anchors: readonly Tuple[]): Edge | null {
    const bySlot = new Map<number, Edge>();
    let edges: Edge | null = null;
    for (const anchor of anchors) {
      const { hi, lo } = this.newChild(anchor);
      for (let edge = anchor.edges; edge !== null; edge = edge.next) {
        // The slot has been reused: the tree of this edge has ended.
        if (this.acker.generationOf(edge.slot) !== edge.generation) continue;
        const known = bySlot.get(edge.slot);
        if (known === undefined) {
          edges = new Edge(edge.slot, edge.generation, hi, lo, edges);
          bySlot.set(edge.slot, edges);
        } else {
          known.hi ^= hi;
          known.lo ^= lo;
        }
      }
    }
    return edges;
  }

  ack(tuple: Tuple): void {
    for (let edge = tuple.edges; edge !== null; edge = edge.next) {
      const { slot, generation, hi, lo } = edge;
      this.acker.ack(slot, generation, hi ^ tuple.childHi, lo ^ tuple.childLo, this.nowMs);
    }
  }

  fail(tuple: Tuple): void {
    for (let edge = tuple.edges; edge !== null; edge = edge.next) {
      this.acker.fail(edge.slot, edge.generation, this.nowMs);
    }
  }

  private newChild(anchor: Tuple): { readonly hi: number; readonly lo: number } {
    const hi = this.random.int32();
    const lo = this.random.int32();
    anchor.childHi ^= hi;
    anchor.childLo ^= lo;
    return { hi, lo };
  }
}
