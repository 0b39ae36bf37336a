/**
 * Persons: the components of the live edges, by union-find over dense numbers (union by least root with path halving, so
 * a component's root is its least number; Tarjan and van Leeuwen, "Worst-case analysis of set union algorithms", 1984).
 * Numbers are given in UTF-8 byte order of the ids, so the least number is the PersonID, whatever the order of edges.
 */

import type { PackedTexts } from '../../lib/memory/packed-texts.js';

/** Persons of two or more ids. */
export interface Members {
  /** The visitor ids that live edges name. */
  readonly ids: PackedTexts;
  /** Numbers of `ids`, person after person, in order of their PersonIDs; within a person in order. Both by UTF-8 bytes. */
  readonly members: Uint32Array;
  /** Where each person ends in `members`. */
  readonly ends: Uint32Array;
}

export interface PersonStatistics {
  /** Ids that live edges name. */
  readonly joinedIds: number;
  /** Persons of two or more ids. */
  readonly components: number;
  /** Ids of the largest person. */
  readonly largestComponent: number;
  /** Components over the cap, left unjoined. */
  readonly cappedComponents: number;
}

/** A component over the cap: its least number, and how many ids it has. */
export interface Capped {
  readonly least: number;
  readonly size: number;
}

const cappedListed = 100;

export class Persons {
  readonly #parents: Int32Array;

  constructor(idCount: number) {
    this.#parents = new Int32Array(idCount);
    for (let i = 0; i < idCount; i++) this.#parents[i] = i;
  }

  join(a: number, b: number): void {
    const rootA = this.#find(a);
    const rootB = this.#find(b);
    if (rootA < rootB) this.#parents[rootB] = rootA;
    else if (rootB < rootA) this.#parents[rootA] = rootB;
  }

  /**
   * Ends the joining: for each id the least of its component. Components of more than `maxIds` (0: no cap) are taken
   * apart again: each of their ids stands for itself. `capped` lists the largest hundred of them, the largest first.
   */
  finish(maxIds: number): {
    readonly roots: Int32Array;
    readonly statistics: PersonStatistics;
    readonly capped: readonly Capped[];
  } {
    const count = this.#parents.length;
    const roots = new Int32Array(count);
    const sizes = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const root = this.#find(i);
      roots[i] = root;
      sizes[root] = (sizes[root] ?? 0) + 1;
    }
    const capped: Capped[] = [];
    let components = 0;
    let largestComponent = 0;
    for (let i = 0; i < count; i++) {
      const size = sizes[i] ?? 0;
      if (size < 2) continue;
      largestComponent = Math.max(largestComponent, size);
      if (maxIds > 0 && size > maxIds) capped.push({ least: i, size });
      else components++;
    }
    if (capped.length > 0) {
      for (let i = 0; i < count; i++) if ((sizes[roots[i] ?? 0] ?? 0) > maxIds) roots[i] = i;
    }
    return {
      roots,
      statistics: { joinedIds: count, components, largestComponent, cappedComponents: capped.length },
      capped: capped.toSorted((a, b) => b.size - a.size || a.least - b.least).slice(0, cappedListed),
    };
  }

  #find(id: number): number {
    const parents = this.#parents;
    let at = id;
    for (;;) {
      const parent = parents[at] ?? at;
      if (parent === at) return at;
      const grand = parents[parent] ?? parent;
      parents[at] = grand;
      at = grand;
    }
  }
}

/** The numbers of each person's ids. */
export function* personsOf({ members, ends }: Pick<Members, 'members' | 'ends'>): Generator<Uint32Array> {
  let from = 0;
  for (const to of ends) {
    yield members.subarray(from, to);
    from = to;
  }
}
