/**
 * From the star's edges to persons. DuckDB decides which edges live; their ids are numbers, of which only those that are joined
 * are read as texts, to be put in order: the least of a person is its PersonID.
 */
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { integers } from '../../master-data/columns.js';
import type { Star } from '../../master-data/star/star.js';
import type { BatchDb } from '../database.js';
import { textOrder } from '../sorts/text-order.js';
import { Persons, type Members, type PersonStatistics } from './persons.js';

/** Persons whose edges are read again for verification: as many as have so many ids together. */
const sampledIds = 2_000;

export interface ResolvedPersons extends Members {
  /** Visitor number of each of the `ids`, ascending. */
  readonly visitors: Uint32Array;
  readonly statistics: PersonStatistics;
  /** Edge facts that may join, those of them that repeat an earlier one, and those that live. */
  readonly edges: number;
  readonly repeatedEdges: number;
  readonly liveEdges: number;
  /** The largest components over the cap: their least ids, and how many they have. */
  readonly capped: readonly { readonly id: string; readonly size: number }[];
  /** All live edges of some of the persons, as texts, for verification. */
  readonly sampledEdges: readonly (readonly [string, string])[];
}

/** @param maxIds components of more ids are left unjoined; 0: no cap */
export async function resolvePersons(db: BatchDb, star: Star, maxIds: number): Promise<ResolvedPersons> {
  for (const statement of ['edges', 'repeated-edges', 'live-edges']) await db.run(statement);
  const counts = {
    edges: await db.countOf('edge'),
    repeatedEdges: await db.countOf('repeated_edge'),
    liveEdges: await db.countOf('live_edge'),
  };
  const pairs = new Uint32Array(2 * counts.liveEdges);
  let filled = 0;
  for await (const chunk of db.stream('edge-pairs')) {
    const [lo, hi] = [integers(chunk, 0), integers(chunk, 1)];
    for (let i = 0; i < chunk.rowCount; i++) {
      pairs[filled++] = lo[i] ?? 0;
      pairs[filled++] = hi[i] ?? 0;
    }
  }
  for (const table of ['edge', 'repeated_edge', 'live_edge']) await db.drop(table);
  const { visitors, indexOf } = distinct(pairs, star.coupons.length);
  const ids = textsOf(star, indexOf);
  const order = textOrder(ids);
  const rank = new Uint32Array(order.length);
  order.forEach((id, place) => (rank[id] = place));
  const persons = new Persons(ids.count);
  const rankOf = (visitor = 0): number => rank[(indexOf[visitor] ?? 1) - 1] ?? 0;
  for (let i = 0; i < pairs.length; i += 2) persons.join(rankOf(pairs[i]), rankOf(pairs[i + 1]));
  const { roots, statistics, capped } = persons.finish(maxIds);
  const { members: ranks, ends } = membersByRoot(roots);
  const members = ranks.map((place) => order[place] ?? 0);
  const sample = new Set(sampleOf({ members, ends }));
  const sampledEdges: [string, string][] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const [a, b] = [(indexOf[pairs[i] ?? 0] ?? 1) - 1, (indexOf[pairs[i + 1] ?? 0] ?? 1) - 1];
    if (sample.has(a)) sampledEdges.push([ids.text(a), ids.text(b)]);
  }
  return {
    ids,
    visitors,
    members,
    ends,
    statistics,
    ...counts,
    capped: capped.map(({ least, size }) => ({ id: ids.text(order[least] ?? 0), size })),
    sampledEdges,
  };
}

/** The different visitors of all pairs, ascending; and by visitor number 1 + its place among them, or 0. */
function distinct(pairs: Uint32Array, count: number): { visitors: Uint32Array; indexOf: Uint32Array } {
  const indexOf = new Uint32Array(count);
  for (const visitor of pairs) indexOf[visitor] = 1;
  const visitors = new Uint32Array(indexOf.reduce((sum, one) => sum + one, 0));
  let found = 0;
  for (let visitor = 0; visitor < count; visitor++) {
    if (indexOf[visitor] === 0) continue;
    visitors[found] = visitor;
    indexOf[visitor] = ++found;
  }
  return { visitors, indexOf };
}

function textsOf(star: Star, indexOf: Uint32Array): PackedTexts {
  const ids = new PackedTexts();
  let visitor = 1;
  for (const { bytes, starts, ends, count } of star.texts('visitors'))
    for (let i = 0; i < count; i++, visitor++)
      if (indexOf[visitor] !== 0) ids.addBytes(bytes, starts[i] ?? 0, ends[i] ?? 0);
  return ids;
}

/** Groups ids by their roots: a counting sort. Ids that stand alone are left out. */
function membersByRoot(roots: Int32Array): Pick<Members, 'members' | 'ends'> {
  const sizes = new Uint32Array(roots.length);
  for (const root of roots) sizes[root] = (sizes[root] ?? 0) + 1;
  const next = new Uint32Array(roots.length);
  const ends: number[] = [];
  let total = 0;
  for (let root = 0; root < roots.length; root++) {
    const size = sizes[root] ?? 0;
    if (size < 2) continue;
    next[root] = total;
    total += size;
    ends.push(total);
  }
  const members = new Uint32Array(total);
  for (let id = 0; id < roots.length; id++) {
    const root = roots[id] ?? 0;
    if ((sizes[root] ?? 0) < 2) continue;
    const at = next[root] ?? 0;
    members[at] = id;
    next[root] = at + 1;
  }
  return { members, ends: Uint32Array.from(ends) };
}

/** The ids of some persons: those whose numbers, mixed, are the least, so that they lie anywhere among all. */
function sampleOf(persons: Pick<Members, 'members' | 'ends'>): number[] {
  const order = Array.from(persons.ends.keys()).toSorted((a, b) => mixed(a) - mixed(b));
  const sample: number[] = [];
  for (const person of order.slice(0, sampledIds)) {
    const from = persons.ends[person - 1] ?? 0;
    const to = persons.ends[person] ?? 0;
    if (sample.length + to - from <= sampledIds) sample.push(...persons.members.subarray(from, to));
  }
  return sample;
}

function mixed(person: number): number {
  return Math.imul(person, 0x9e3779b1) >>> 0;
}
