/**
 * How a tuple tree is followed, step by step. The tree of a spout tuple has one entry in the acker (`acker.ts`), which
 * holds the XOR of everything reported about it.
 *
 * 1. A spout emits a tuple with a message id: `begin` makes the entry. Each receiver's copy gets an edge, a random
 *    64-bit id (`rootEdge`), and the XOR of these edges is reported by `initialised`.
 * 2. A bolt emits a tuple anchored to one it was given: the new tuple gets an edge in each of its anchor's trees
 *    (`edgesUnder`). Nothing is reported yet: the anchor remembers the XOR of its children's ids.
 * 3. The bolt acks the tuple it was given: the acker hears edge XOR children (`ack`), in one report. The tuple leaves
 *    the entry and its children enter it at the same instant, so the entry cannot be zero while work is left.
 * 4. Every id has now been reported twice and cancelled itself: the entry is zero, and the spout gets its `ack`. Where a
 *    bolt fails a tuple (`fail`), or the tree is not complete in time, the spout gets its `fail`.
 *
 * Besides the acker this object holds what all tasks of one topology share: message ids, random numbers, the time of
 * the current turn, and where errors go.
 */
import { Acker } from './acker.js';
import type { OnAnswer } from './acker.js';
import type { MessageId } from './component.js';
import type { Random } from './random.js';
import { Edge } from './tuple.js';
import type { Tuple } from './tuple.js';

/** An error that a bolt threw. The tuple it was given, if any, has been failed. */
export interface BoltError {
  readonly component: string;
  readonly task: number;
  readonly error: unknown;
}

export class TupleTrees {
  readonly acker: Acker;
  /** By slot of the acker; 8 bytes for each besides the acker's own. */
  readonly messageIds: MessageId[] = [];
  /** Milliseconds: the clock as read at the start of the current task's part of a turn. */
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

  /** Begins the tree of a spout tuple. Returns the entry's slot in the acker. */
  begin(task: number, messageId: MessageId): number {
    const slot = this.acker.begin(task, this.nowMs);
    this.messageIds[slot] = messageId;
    return slot;
  }

  /** All copies of the spout tuple are on their way; (hi, lo) is the XOR of their edges. */
  initialised(slot: number, generation: number, hi: number, lo: number): void {
    this.acker.init(slot, generation, hi, lo, this.nowMs);
  }

  /** The edge of one copy of a spout tuple. */
  rootEdge(slot: number, generation: number): Edge {
    return new Edge(slot, generation, this.random.int32(), this.random.int32(), null);
  }

  /** The edges of a new tuple under one anchor: in all of the anchor's trees, by one id, noted as the anchor's child. */
  edgesUnder(anchor: Tuple): Edge | null {
    const { hi, lo } = this.newChild(anchor);
    let edges: Edge | null = null;
    for (let edge = anchor.edges; edge !== null; edge = edge.next) {
      edges = new Edge(edge.slot, edge.generation, hi, lo, edges);
    }
    return edges;
  }

  /**
   * The edges of a new tuple under several anchors. It gets an id under each anchor, and in a tree that several of them
   * belong to, one edge with the XOR of their ids. With one id for all anchors, or an edge for each, what two
   * anchors of one tree report would cancel out, and the tree would be complete while this tuple is on its way.
   */
  edgesUnderAll(anchors: readonly Tuple[]): Edge | null {
    const bySlot = new Map<number, Edge>();
    let edges: Edge | null = null;
    for (const anchor of anchors) {
      const { hi, lo } = this.newChild(anchor);
      for (let edge = anchor.edges; edge !== null; edge = edge.next) {
        // A slot in its next use: the tree that this edge was of is answered.
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
