/**
 * A tuple: a list of values with named fields, sent on a stream, and its place in the tuple trees it belongs to.
 *
 * Hot paths read values by index (`tuple.values[0]`, typed by the bolt's type argument), other code by name
 * (`tuple.get('word')`). Only the engine writes the lineage: a component that emits names the tuples a new one is
 * anchored to, and never handles ids.
 */
import { invalid } from './errors.js';

/** The values of a tuple. All receivers of one emit share the array, so it must not be changed after emitting. */
export type Values = readonly unknown[];

/** The names of a stream's values, in order. */
export type Fields = readonly string[];

/** The stream that `emit` writes to and that groupings read when no name is given. */
export const defaultStream = 'default';

/** Where a tuple came from. All tuples of one task on one stream share one object. */
export interface Source {
  readonly component: string;
  /** Task id, unique in the topology. */
  readonly task: number;
  readonly stream: string;
  readonly fields: Fields;
}

/**
 * A tuple's edge in the tree of one spout tuple, identified by the random 64-bit id (hi, lo). A tuple with several
 * anchors can belong to several trees, so edges form a short linked list with one edge for each tree.
 */
export class Edge {
  constructor(
    /** The tree's slot in the acker and the generation of that slot. Together they identify one spout tuple. */
    readonly slot: number,
    readonly generation: number,
    public hi: number,
    public lo: number,
    readonly next: Edge | null,
  ) {}
}

export class Tuple<V extends Values = Values> {
  /** XOR of the ids of all tuples anchored to this one so far. Reported to the acker together with this tuple's ack. */
  childHi = 0;
  childLo = 0;
  /** True after `ack` or `fail`: the tuple can be neither settled nor used as an anchor again. */
  settled = false;

  constructor(
    readonly source: Source,
    readonly values: V,
    /** Null for an untracked tuple. */
    readonly edges: Edge | null,
  ) {}

  /** Returns the value of a named field. Throws `topology.invalid` if the stream does not declare it. */
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
