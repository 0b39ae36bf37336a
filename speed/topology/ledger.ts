/**
 * What all tasks of one topology share: the acker and the message ids of its trees, the random ids, the time of the
 * present turn, and where errors go.
 */
import { Acker } from './acker.js';
import type { OnAnswer } from './acker.js';
import type { Clock } from '../../lib/clock.js';
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

export class Ledger {
  readonly acker: Acker;
  /** By slot of the acker; 8 bytes for each besides the acker's own. */
  readonly messageIds: MessageId[] = [];
  /** The clock, read at the start of each task's part of a turn. */
  nowMs: number;

  constructor(
    private readonly clock: Clock,
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

  /** A new edge with a random id, in front of `next`. */
  newEdge(slot: number, generation: number, next: Edge | null): Edge {
    return new Edge(slot, generation, this.random.int32(), this.random.int32(), next);
  }

  /**
   * The edges of a new tuple anchored to `anchor`, in front of `next`: one id for all trees of this anchor, noted as the
   * anchor's child. A tuple with several anchors gets an id for each: with one for all, two anchors of one tree
   * would report the same id, it would cancel itself, and the tree would be complete too early.
   */
  anchoredTo(anchor: Tuple, next: Edge | null): Edge | null {
    const hi = this.random.int32();
    const lo = this.random.int32();
    anchor.childHi ^= hi;
    anchor.childLo ^= lo;
    let edges = next;
    for (let edge = anchor.edges; edge !== null; edge = edge.next) {
      edges = new Edge(edge.slot, edge.generation, hi, lo, edges);
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
}
