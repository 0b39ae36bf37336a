/**
 * Persons: the components of the live edges, by union-find over dense numbers (union by least root with path halving, so the root of a component
 * is its least number; Tarjan and van Leeuwen, "Worst-case analysis of set union algorithms", 1984). Numbers are assigned in UTF-8 byte order of
 * the ids, so the root is the PersonID, whatever the order of edges.
 */
import { byGroup, groupStarts, inverse } from '../../lib/memory/counting-sort.js';
import type { TextSpans } from '../../lib/memory/keyed-hash.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { textOrder } from './text-order.js';

/** Persons with two or more ids. */
export interface Members {
  /** The visitor ids in live edges. */
  readonly ids: PackedTexts;
  /** Indexes into `ids`, person by person in the order of their PersonIDs, and in order within a person. Both orders are of UTF-8 bytes. */
  readonly members: Uint32Array;
  /** End of each person in `members`. */
  readonly ends: Uint32Array;
}

export interface PersonStatistics {
  /** Number of ids in live edges. */
  readonly joinedIds: number;
  /** Number of persons with two or more ids. */
  readonly components: number;
  /** Number of ids of the largest component, capped or not. */
  readonly largestComponent: number;
  /** Number of components over the cap, which are left unjoined. */
  readonly cappedComponents: number;
}

/** A component over the cap: its least number, and its number of ids. */
export interface CappedComponent {
  readonly least: number;
  readonly size: number;
}

const cappedListed = 100;

export class UnionFind {
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
   * Finishes the union: returns the root of each id. Components with more than `maxIds` (0: no cap) are taken apart again: each of their ids is
   * its own root. `capped` lists at most the hundred largest of them, the largest first.
   */
  finish(maxIds: number): {
    readonly roots: Int32Array;
    readonly statistics: PersonStatistics;
    readonly capped: readonly CappedComponent[];
  } {
    const count = this.#parents.length;
    const roots = new Int32Array(count);
    const sizes = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const root = this.#find(i);
      roots[i] = root;
      sizes[root]++;
    }
    const capped: CappedComponent[] = [];
    let components = 0;
    let largestComponent = 0;
    for (let i = 0; i < count; i++) {
      const size = sizes[i];
      if (size < 2) continue;
      largestComponent = Math.max(largestComponent, size);
      if (maxIds > 0 && size > maxIds) capped.push({ least: i, size });
      else components++;
    }
    if (capped.length > 0) {
      for (let i = 0; i < count; i++) if (sizes[roots[i]] > maxIds) roots[i] = i;
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
      const parent = parents[at];
      if (parent === at) return at;
      const grand = parents[parent];
      parents[at] = grand;
      at = grand;
    }
  }
}

/** Writes the pairs (a[i], b[i]) interleaved into `pairs`, from index `at`. */
export function writePairs(pairs: Uint32Array, at: number, a: Int32Array, b: Int32Array): void {
  for (let i = 0; i < a.length; i++) {
    pairs[at + 2 * i] = a[i];
    pairs[at + 2 * i + 1] = b[i];
  }
}

/** The pairs whose first number is in the set. */
export function pairsOf(pairs: Uint32Array, chosen: ReadonlySet<number>): [number, number][] {
  const found: [number, number][] = [];
  for (let i = 0; i < pairs.length; i += 2) if (chosen.has(pairs[i])) found.push([pairs[i], pairs[i + 1]]);
  return found;
}

/** The visitors in pairs, with dense indexes. */
export interface JoinedIds {
  /** Visitor numbers, ascending. */
  readonly visitors: Uint32Array;
  /** Their texts. */
  readonly ids: PackedTexts;
  /** The same pairs, as indexes into `visitors` and `ids`. */
  readonly pairs: Uint32Array;
}

/**
 * @param pairs interleaved pairs of visitor numbers
 * @param texts texts of all visitors, from number 1 on
 * @param count exclusive upper limit of visitor numbers
 */
export function joinedIds(pairs: Uint32Array, texts: Iterable<TextSpans>, count: number): JoinedIds {
  const indexOf = new Uint32Array(count); // 1 + the index
  for (const visitor of pairs) indexOf[visitor] = 1;
  const visitors = new Uint32Array(indexOf.reduce((sum, one) => sum + one, 0));
  let found = 0;
  for (let visitor = 0; visitor < count; visitor++) {
    if (indexOf[visitor] === 0) continue;
    visitors[found] = visitor;
    indexOf[visitor] = ++found;
  }
  const ids = new PackedTexts();
  let first = 1;
  for (const { bytes, starts, ends, count: more } of texts) {
    for (let i = 0; i < more; i++) if (indexOf[first + i] !== 0) ids.addBytes(bytes, starts[i], ends[i]);
    first += more;
  }
  return { visitors, ids, pairs: pairs.map((visitor) => indexOf[visitor] - 1) };
}

export interface Persons extends Members {
  readonly statistics: PersonStatistics;
  /** The largest components over the cap: their least ids, and their numbers of ids. */
  readonly capped: readonly { readonly id: string; readonly size: number }[];
}

/** @param maxIds components with more ids are left unjoined; 0: no cap */
export function personsOf({ ids, pairs }: JoinedIds, maxIds: number): Persons {
  const order = textOrder(ids);
  const rank = inverse(order);
  const groups = new UnionFind(ids.count);
  for (let i = 0; i < pairs.length; i += 2) groups.join(rank[pairs[i]], rank[pairs[i + 1]]);
  const { roots, statistics, capped } = groups.finish(maxIds);
  const { members, ends } = membersByRoot(roots);
  return {
    ids,
    members: members.map((place) => order[place]),
    ends,
    statistics,
    capped: capped.map(({ least, size }) => ({ id: ids.text(order[least]), size })),
  };
}

/** Groups ids by their roots, in the order of the roots; ids without others are left out. */
function membersByRoot(roots: Int32Array): Pick<Members, 'members' | 'ends'> {
  const starts = groupStarts(roots, roots.length);
  const members = byGroup(roots, starts);
  const ends: number[] = [];
  let total = 0;
  for (let root = 0; root < roots.length; root++) {
    const [from, to] = [starts[root], starts[root + 1]];
    if (to - from < 2) continue;
    members.copyWithin(total, from, to);
    total += to - from;
    ends.push(total);
  }
  return { members: members.slice(0, total), ends: Uint32Array.from(ends) };
}

/** A pseudo-random sample of whole persons with at most `limit` ids together, as members: the persons whose hashed numbers are least. */
export function sampleOf({ members, ends }: Pick<Members, 'members' | 'ends'>, limit: number): number[] {
  const order = Array.from(ends.keys()).toSorted((a, b) => mixed(a) - mixed(b));
  const sample: number[] = [];
  for (const person of order.slice(0, limit)) {
    const from = person === 0 ? 0 : ends[person - 1];
    const to = ends[person];
    if (sample.length + to - from <= limit) sample.push(...members.subarray(from, to));
  }
  return sample;
}

function mixed(person: number): number {
  return Math.imul(person, 0x9e3779b1) >>> 0;
}

/** The members of each person. */
export function* eachPerson({ members, ends }: Pick<Members, 'members' | 'ends'>): Generator<Uint32Array> {
  let from = 0;
  for (const to of ends) {
    yield members.subarray(from, to);
    from = to;
  }
}
