/**
 * A tuple: a list of values that travels on a stream, with named fields, and its place in the tuple trees it belongs to.
 *
 * Values are read by index on hot paths (`tuple.values[0]`, typed by the bolt's type argument) and by name elsewhere
 * (`tuple.get('word')`). The lineage part is written by the engine alone: a component that emits tells the engine what
 * a new tuple is anchored to, and never sees an id.
 */
import { invalid } from './errors.js';

/** What a tuple carries. Shared by all receivers of one emit, so no one may change it after emitting. */
export type Values = readonly unknown[];

/** The names of a stream's values, in order. */
export type Fields = readonly string[];

/** The stream that `emit` writes to and that groupings read when no name is given. */
export const defaultStream = 'default';

/** Where a tuple came from; one object for all tuples of one task on one stream. */
export interface Source {
  readonly component: string;
  /** Task id, unique in the topology. */
  readonly task: number;
  readonly stream: string;
  readonly fields: Fields;
}

/**
 * A tuple's edge in one tree: it hangs in the tree of one spout tuple under the random 64-bit id (hi, lo). A tuple with
 * several anchors may hang in several trees, so edges form a short linked list, with one edge for each tree.
 */
export class Edge {
  constructor(
    /** Which entry of the acker the tree has, and which use of that entry: together they name one spout tuple. */
    readonly slot: number,
    readonly generation: number,
    public hi: number,
    public lo: number,
    readonly next: Edge | null,
  ) {}
}

export class Tuple<V extends Values = Values> {
  /** XOR of the ids of all tuples anchored to this one so far; goes to the acker together with this tuple's own ack. */
  childHi = 0;
  childLo = 0;
  /** True after `ack` or `fail`: the tuple can be neither settled nor used as an anchor again. */
  settled = false;

  constructor(
    readonly source: Source,
    readonly values: V,
    /** Null for a tuple that no one tracks. */
    readonly edges: Edge | null,
  ) {}

  /** The value of a named field; throws on a name the stream does not declare. */
  get(field: string): unknown {
    const index = this.source.fields.indexOf(field);
    if (index < 0) {
      const { component, stream, fields } = this.source;
      throw invalid(
        `no field '${field}' on stream '${stream}' of '${component}' (fields: ${fields.join(', ')})`,
      );
    }
    return this.values[index];
  }
}
