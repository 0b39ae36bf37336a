/**
 * From equiv edges to persons. DuckDB decides which edges live and puts their ids in order; from there on ids are
 * numbers, and joining and grouping them is work on typed arrays.
 */
import { PackedTexts } from '../../lib/packed-texts.js';
import { textIn, words } from '../columns.js';
import type { BatchDb } from '../database.js';
import { Persons, type PersonStatistics } from './persons.js';

/** Persons whose edges are read again for verification: as many as have so many ids together. */
const sampledIds = 2_000;

export interface ResolvedPersons {
  /** Visitor ids that live edges name, in UTF-8 byte order. */
  readonly ids: PackedTexts;
  /** Numbers of ids, person after person, in order of their PersonIDs; within a person in order. */
  readonly members: Uint32Array;
  /** Where each person ends in `members`. Persons have two or more ids. */
  readonly ends: Uint32Array<ArrayBuffer>;
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

/**
 * @param maxIds components of more ids are left unjoined; 0: no cap
 * @param onTurn called now and then; what it throws ends the work
 */
export async function resolvePersons(
  db: BatchDb,
  maxIds: number,
  onTurn: () => void,
): Promise<ResolvedPersons> {
  for (const statement of ['edges', 'repeated-edges', 'live-edges', 'edge-ids']) {
    await db.run(statement);
    onTurn();
  }
  const ids = await readIds(db);
  const persons = new Persons(ids.count);
  for await (const chunk of db.stream('edge-pairs')) {
    const ends = [words(chunk, 0), words(chunk, 1)] as const;
    for (let low = 0; low < 2 * chunk.rowCount; low += 2) {
      persons.join(ends[0][low] ?? 0, ends[1][low] ?? 0);
    }
    onTurn();
  }
  const edges = await db.countOf('edge');
  const repeatedEdges = await db.countOf('repeated_edge');
  const liveEdges = await db.countOf('live_edge');
  const { roots, statistics, capped } = persons.finish(maxIds);
  const { members, ends } = membersByRoot(roots);
  const sampledEdges = await edgesOf(db, sampleOf({ members, ends }));
  for (const table of ['edge', 'repeated_edge', 'live_edge', 'edge_id']) await db.drop(table);
  return {
    ids,
    members,
    ends,
    statistics,
    edges,
    repeatedEdges,
    liveEdges,
    capped: capped.map(({ least, size }) => ({ id: ids.text(least), size })),
    sampledEdges,
  };
}

/** The numbers of each person's ids. */
export function* personsOf({
  members,
  ends,
}: Pick<ResolvedPersons, 'members' | 'ends'>): Generator<Uint32Array> {
  let from = 0;
  for (const to of ends) {
    yield members.subarray(from, to);
    from = to;
  }
}

async function readIds(db: BatchDb): Promise<PackedTexts> {
  const ids = new PackedTexts();
  for await (const chunk of db.stream('edge-id-texts')) {
    for (let row = 0; row < chunk.rowCount; row++) ids.add(textIn(chunk.getColumnVector(0), row));
  }
  return ids;
}

/** Groups ids by their roots: a counting sort. Ids that stand alone are left out. */
function membersByRoot(roots: Int32Array): Pick<ResolvedPersons, 'members' | 'ends'> {
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
function sampleOf(persons: Pick<ResolvedPersons, 'members' | 'ends'>): number[] {
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

/** The live edges that name these ids. */
async function edgesOf(db: BatchDb, numbers: readonly number[]): Promise<[string, string][]> {
  const edges: [string, string][] = [];
  if (numbers.length === 0) return edges;
  for await (const chunk of db.stream('edges-of', { numbers: numbers.join(', ') })) {
    const [lo, hi] = [chunk.getColumnVector(0), chunk.getColumnVector(1)];
    for (let row = 0; row < chunk.rowCount; row++) edges.push([textIn(lo, row), textIn(hi, row)]);
  }
  return edges;
}
